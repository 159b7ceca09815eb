package main

// Examples are shown below what a command does. A test parses each of them.

// Help is shown below the description.
func (cli) Help() string {
	return `A first look: failwell up

The exit status is 0 when all went well, 1 when the work failed, 2 when the command line cannot be understood, 130 when it was stopped half way. What
call, check and store check have besides, their help says.`
}

// Help is shown below the description.
func (*serveCmd) Help() string {
	return `For example:

  failwell serve --contract shop.yaml --upstream http://127.0.0.1:3000
  failwell serve --config gateway.yaml`
}

// Help is shown below the description.
func (*sandboxCmd) Help() string {
	return `For example:

  failwell sandbox heppu
  failwell sandbox hebbrix --hostile --seed 7 --listen 127.0.0.1:0`
}

// Help is shown below the description.
func (*keysCreateCmd) Help() string {
	return `For example:

  failwell keys create --account acme --plan pro --expires 30d
  failwell keys create --store pebble:data -c shop.yaml`
}

// Help is shown below the description.
func (*keysImportCmd) Help() string {
	return `What is there already is passed over, so that an import can be run again. For example:

  failwell keys import keys.txt --account acme
  failwell keys import hashes.txt --hashed`
}

// Help is shown below the description.
func (*accountsSetCmd) Help() string {
	return `For example:

  failwell accounts set acme --plan pro
  failwell accounts set acme --state suspended`
}

// Help is shown below the description.
func (*accountsCreditCmd) Help() string {
	return `For example:

  failwell accounts credit acme funds 5000 --key invoice-2041`
}

// Help is shown below the description.
func (*tokensCreateCmd) Help() string {
	return `For example:

  failwell tokens create ada --role operate --expires 90d`
}

// Help is shown below the description.
func (*storeCheckCmd) Help() string {
	return `For example:

  failwell store check pebble:data
  failwell store check env:SHOP_STORE

The exit status is 0 when all promises are kept, 1 when one is kept only in part, 2 when that cannot be told.`
}

// Help is shown below the description.
func (*explainCmd) Help() string {
	return `For example:

  failwell explain rate_limited
  failwell explain 429 -c heppu
  curl -si https://api.example.com/v1/items | failwell explain`
}

// Help is shown below the description.
func (*logCmd) Help() string {
	return `For example:

  failwell log --account acme --status 4xx --since 15m
  failwell log --refused --follow`
}
