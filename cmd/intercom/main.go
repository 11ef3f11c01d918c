// Command intercom turns a board into a door station or an indoor station.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alexflint/go-arg"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		sig := untilHurried(signals, stop)
		fmt.Fprintln(os.Stderr, "intercom: stopped at once,", sig)
		os.Exit(exitFailed)
	}()
	os.Exit(console{os.Stdout, os.Stderr, time.Now, buildInfo()}.logic(ctx, os.Args[1:]))
}

// stopAlone is how long after the first signal others are that one, told twice: a terminal that goes tells a program and
// its group, a service manager each process, and the demo its stations too. By then lamps and opener are off.
const stopAlone = time.Second

// untilHurried stops at the first signal, and returns with the one that does not want to wait for that.
func untilHurried(signals <-chan os.Signal, stop func()) os.Signal {
	<-signals
	stop()
	for alone := time.After(stopAlone); ; {
		select {
		case <-signals:
		case <-alone:
			return <-signals
		}
	}
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
	Run      *runCmd      `arg:"subcommand" help:"run one station from its configuration file"`
	Demo     *demoCmd     `arg:"subcommand" help:"a house of simulated boards on this machine: broker, door and indoor station"`
	Broker   *brokerCmd   `arg:"subcommand" help:"run the MQTT broker of one house"`
	Status   *statusCmd   `arg:"subcommand" help:"ask a running station how it is"`
	Config   *configCmd   `arg:"subcommand" help:"check a configuration file"`
	Check    *checkCmd    `arg:"subcommand" help:"look at everything that a station needs: the first thing to mend, then the rest"`
	Cards    *cardsCmd    `arg:"subcommand" help:"list sound cards, with the ids by which they are opened"`
	Boards   *boardsCmd   `arg:"subcommand" help:"list the boards that are known, and how they are wired"`
	Buttons  *buttonsCmd  `arg:"subcommand" help:"show buttons live as they are pressed, to wire a board"`
	RelayOff *relayOffCmd `arg:"subcommand:relay-off" help:"drive the door's opener off; the service's stop action"`
	Key      *keyCmd      `arg:"subcommand" help:"make and show the private keys of devices and of the service's authority"`
	Token    *tokenCmd    `arg:"subcommand" help:"make and show access tokens"`
	Version  *versionCmd  `arg:"subcommand" help:"print the version"`
}

// Description is the head of every help text.
func (commands) Description() string {
	return `A door intercom. A press at a door station rings the indoor stations of a user;
whoever accepts talks, and may open the door.
`
}

// Epilogue is the end of every help text.
func (commands) Epilogue() string {
	return `Start with "intercom demo"; "intercom COMMAND --help" tells more of a command.
Exit codes: 0 done, 1 it failed, 2 the command line or a configuration file is wrong.`
}

// console is where a command speaks, and what it knows of the time and of its
// own build.
type console struct {
	out, err io.Writer
	now      func() time.Time
	build    build
}

// output notes the first write that failed: what was asked for did not arrive, however the command itself ended.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// issueTime is the time from which a token counts that is issued now. No
// station believes a time before its build, so a token must not be used up by a
// clock that is behind that: a board without a clock chip starts in 1970.
func (c console) issueTime() time.Time {
	if now := c.now(); now.After(c.build.Time) {
		return now
	}
	return c.build.Time
}

// command is one that does something; the others only hold subcommands.
type command interface {
	Run(context.Context, console) error
}

// logic runs one command line and gives the exit code.
func (c console) logic(ctx context.Context, args []string) int {
	out := &output{Writer: c.out}
	c.out = out
	parser, err := arg.NewParser(arg.Config{Program: "intercom", IgnoreEnv: true}, &commands{})
	if err != nil {
		fmt.Fprintln(c.err, "intercom:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	err = parser.Parse(args)
	cmd, runs := parser.Subcommand().(command)
	names := parser.SubcommandNames()
	switch at := len(names); {
	case !runs && at < len(args) && !strings.HasPrefix(args[at], "-"): // also before --help
		err = fmt.Errorf("there is no command %q", args[at])
	case errors.Is(err, arg.ErrHelp):
		parser.WriteHelp(c.out)
		return c.finish(out.err)
	case err == nil && !runs:
		err = errors.New("a command is missing")
	case err == nil:
		err = noneEmpty(args)
	}
	if err != nil {
		names = append([]string{"intercom"}, names...)
		err := regexp.MustCompile(parserWords).ReplaceAllString(err.Error(), "$1: ")
		fmt.Fprintf(c.err, "intercom: %v; see %s --help\n", err, strings.Join(names, " "))
		parser.WriteUsage(c.err)
		return exitUsage
	}
	if err = cmd.Run(ctx, c); err == nil {
		err = out.err
	}
	return c.finish(err)
}

// parserWords are what the parser says of its own workings about a value.
const parserWords = `^error processing ([^ =]+)\S*: (strconv\.\w+: parsing |time: )?`

// noneEmpty refuses the empty argument of a script's empty variable: it is no file, and no wish to go without.
func noneEmpty(args []string) error {
	switch i := slices.Index(args, ""); {
	case i < 0:
		return nil
	case strings.HasPrefix(args[i-1], "--"): // before the first there is a command
		return fmt.Errorf("%s is empty", args[i-1])
	default:
		return errors.New("an argument is empty")
	}
}

// finish tells an error, and gives the exit code.
func (c console) finish(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintln(c.err, "intercom:", err)
		return exitUsage
	}
	fmt.Fprintln(c.err, "intercom:", err)
	return exitFailed
}
