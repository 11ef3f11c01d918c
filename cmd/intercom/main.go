// Command intercom turns a board into a door station or an indoor station.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	os.Exit(logic(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the command line or the configuration
)

// usageError is an error that the user mends in what was written.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

type commands struct {
	Run     runCmd     `cmd:"" help:"Run one station from its configuration file."`
	Demo    demoCmd    `cmd:"" help:"A house of simulated boards on this machine: broker, door and indoor station."`
	Broker  brokerCmd  `cmd:"" help:"Run the MQTT broker of one house."`
	Status  statusCmd  `cmd:"" help:"Ask a running station how it is."`
	Config  configCmd  `cmd:"" help:"Check a configuration file."`
	Key     keyCmd     `cmd:"" help:"Make and show the private keys of devices and of the service's authority."`
	Token   tokenCmd   `cmd:"" help:"Make and show access tokens."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

const description = `A door intercom. A press at a door station rings the indoor stations of a user;
whoever accepts talks, and may open the door.

Start with "intercom demo". Exit codes: 0 done, 1 it failed, 2 the command line
or a configuration file is wrong.`

// console is where a command speaks.
type console struct{ out, err io.Writer }

// logic runs one command line and gives the exit code.
func logic(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var cmds commands
	exited := -1
	parser, err := kong.New(&cmds, kong.Name("intercom"), kong.Description(description),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(console{stdout, stderr}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		fmt.Fprintln(stderr, "intercom:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exited >= 0 { // help was shown
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "intercom: %v; see intercom --help\n", err)
		return exitUsage
	}
	err = k.Run()
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "intercom:", err)
		return exitUsage
	}
	fmt.Fprintln(stderr, "intercom:", err)
	return exitFailed
}
