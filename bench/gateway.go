package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed contract.yaml
var benchContract []byte

// startGateway has what callers want of it in memory.
func startGateway(ctx context.Context, b *bench, m mode, listen string) (*process, error) {
	plan := "wide"
	if m.rate == soonReached {
		plan = "narrow"
	}
	return b.gateway(ctx, "memory:", plan, listen)
}

// startUnrecorded is the same without records of requests.
func startUnrecorded(ctx context.Context, b *bench, m mode, listen string) (*process, error) {
	plan := "wide"
	if m.rate == soonReached {
		plan = "narrow"
	}
	return b.gateway(ctx, "memory:", plan, listen, "--records", "off")
}

// gateway does what an operator does: write the contract, serve it on a store,
// import the keys on a plan; with no plan they are there already. The folder for
// the admin token is one of the run's own, so that a gateway of the same user is
// left alone.
func (b *bench) gateway(ctx context.Context, store, plan, listen string, more ...string) (*process, error) {
	contract := filepath.Join(b.dir, "contract.yaml")
	if err := os.WriteFile(contract, benchContract, 0o600); err != nil {
		return nil, fmt.Errorf("failwell: %w", err)
	}
	admin, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	binary := filepath.Join(b.dir, "failwell")
	home := filepath.Join(b.dir, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, fmt.Errorf("failwell: %w", err)
	}
	env := []string{"HOME=" + home, "XDG_RUNTIME_DIR=" + home, "XDG_CACHE_HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_STATE_HOME=" + home}
	argv := append([]string{
		binary, "serve", "--contract", contract,
		"--upstream", "http://" + b.upstream, "--listen", listen, "--admin", admin, "--store", store,
	}, more...)
	p, err := start(ctx, b.dir, "failwell", env, argv...)
	if err != nil {
		return nil, err
	}
	if err := p.accepts(ctx, admin); err != nil {
		p.stop()
		return nil, err
	}
	if plan == "" {
		return p, nil
	}
	load := exec.CommandContext(ctx, binary, "keys", "import", "--admin", "http://"+admin, "--plan", plan, b.keysFile)
	load.Env = append(os.Environ(), env...)
	if out, err := load.CombinedOutput(); err != nil {
		p.stop()
		return nil, fmt.Errorf("failwell keys import: %w: %s", err, out)
	}
	return p, nil
}
