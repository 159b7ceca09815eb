// Command failwell makes HTTP APIs fail the way their contract says, and
// explains how they do.
//
// Results go to stdout, logs and errors to stderr. An error is one line without
// a full stop, followed where possible by a line that begins with "hint:". The
// exit status is 0 when all went well, 1 when the work failed (or lint found
// something), 2 when the command line cannot be understood or, for a check, when
// what it should look at is out of reach, 130 when it was stopped half way. The
// first SIGINT or SIGTERM asks for an orderly end, a second Ctrl-C ends at once.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/failwell/failwell/conform/server"
)

// Exit statuses.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitUnknown = 2
	exitStopped = 130 // as shells have it for Ctrl-C
)

// cli is the command line. Each command has a file of its own.
type cli struct {
	Up       upCmd       `cmd:"" help:"Start a sandbox behind a gateway, and print what to try."`
	Serve    serveCmd    `cmd:"" help:"Run the gateway in front of a service."`
	Sandbox  sandboxCmd  `cmd:"" help:"Run a stand-in for an API."`
	Keys     keysCmd     `cmd:"" help:"Manage API keys."`
	Accounts accountsCmd `cmd:"" help:"Manage accounts: plans, states, balances, usage."`
	Console  consoleCmd  `cmd:"" help:"Print a link that signs a browser in to a gateway's console."`
	Tokens   tokensCmd   `cmd:"" help:"Manage tokens of the admin API and the console."`
	Audit    auditCmd    `cmd:"" help:"List what was changed over the admin API, and by whom."`
	Store    storeCmd    `cmd:"" help:"Check stores, and copy between them."`
	Contract contractCmd `cmd:"" help:"Show, check and start contracts."`
	Call     callCmd     `cmd:"" help:"Make a call by its contract: repeated where that is right, its failure explained."`
	Check    checkCmd    `cmd:"" help:"Check that an API, or a client of one, keeps a contract."`
	Explain  explainCmd  `cmd:"" help:"Explain an error code, or a response from stdin."`
	Trace    traceCmd    `cmd:"" help:"Tell what happened to one request, by its id."`
	Log      logCmd      `cmd:"" help:"List requests, or follow them as they end."`
	Generate generateCmd `cmd:"" help:"Generate clients, an error reference, OpenAPI, alerts and more from a contract."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, _ := untilSignalled(context.Background(), signals, os.Exit)
	os.Exit(run(ctx, os.Args[1:], &console{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, exit: os.Exit}))
}

// untilSignalled is a context that the first signal ends, so that work can come
// to an orderly end. Who presses Ctrl-C then has waited long enough. It listens
// until signals is closed, which closes over.
func untilSignalled(ctx context.Context, signals <-chan os.Signal, exit func(int)) (until context.Context, over <-chan struct{}) {
	until, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-signals
		cancel()
		for s := range signals {
			if s == os.Interrupt {
				exit(exitStopped)
			}
		}
	}()
	return until, ended
}

// run is the program; it returns the exit status.
func run(ctx context.Context, args []string, c *console) int {
	parser, err := newParser(ctx, c)
	if err != nil {
		c.complain(err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		c.complain(misused(err))
		return exitUsage
	}
	if err := parsed.Run(); err != nil {
		if errors.Is(err, syscall.EPIPE) {
			return exitFailed // the reader has left; there is nobody to tell
		}
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			c.complain(errStopped)
			return exitStopped
		}
		c.complain(err)
		if _, usage := errors.AsType[*usageError](err); usage {
			return exitUsage
		}
		if status, ok := errors.AsType[*statusError](err); ok {
			return status.code
		}
		return exitFailed
	}
	return 0
}

// newParser reads command lines. Its error is a mistake in the program.
func newParser(ctx context.Context, c *console) (*kong.Kong, error) {
	return kong.New(&cli{}, //nolint:wrapcheck // as above
		kong.Name("failwell"),
		kong.Description("One contract for how your API fails."),
		kong.Writers(c.stdout, c.stderr), kong.Exit(c.exit),
		kong.Vars{"version": version(), "states": strings.Join(server.KeyNames()[1:], ", "), "allowances": strings.Join(server.Allowances(), ", ")},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.ShortUsageOnError(),
		kong.ExplicitGroups([]kong.Group{{Key: "place", Title: "Where:"}}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(c),
	)
}

var errStopped = errors.New("stopped before the end")

// misused words the parser's complaint as all others are. What is missing it
// tells in text alone.
func misused(err error) error {
	parse, ok := errors.AsType[*kong.ParseError](err)
	if !ok {
		return err
	}
	node := parse.Context.Selected()
	if node == nil {
		node = parse.Context.Model.Node
	}
	hint := "see " + node.FullPath() + " --help"
	switch text := err.Error(); {
	case strings.HasPrefix(text, "expected one of"):
		names := make([]string, len(node.Children))
		for i, child := range node.Children {
			names[i] = child.Name
		}
		err = fmt.Errorf("%s needs a command: %s", node.FullPath(), strings.Join(names, ", "))
	case strings.Contains(text, "expected duration"):
		what, _, _ := strings.Cut(text, ": time: ") // Go's own word on it
		err, hint = errors.New(what), "write a span such as 500ms, 90s or 24h; "+hint
	case strings.HasPrefix(text, "expected"), strings.HasPrefix(text, "missing"), strings.HasPrefix(text, "unexpected argument") && len(node.Children) == 0:
		hint = "as in: failwell " + node.Summary() + "; " + hint
	}
	return hinted(err, hint)
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "failwell (unknown version)"
	}
	return "failwell " + info.Main.Version
}

// console is what a command may use of the terminal.
type console struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	exit           func(int)
}
