// Command softphone is a phone in a terminal: the smallest program that embeds
// the packages call, mqttpush, rtc and identity. README.md says how to try it.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := logic(ctx, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "softphone:", err)
		os.Exit(1)
	}
}

const help = "commands: c USER call · a accept · e end · m mute · o open the door · q quit"

func logic(ctx context.Context, in io.Reader, out io.Writer) error {
	dir := flag.String("dir", "guest", "folder with the key, the token and the broker's address, as `intercom demo --guest` makes it")
	user := flag.String("user", "home", "whose phone this is; the token says the same")
	device := flag.String("device", "softphone", "its name; the token says the same")
	service := flag.String("service", "demo", "the service that it belongs to; the token says the same")
	answer := flag.Bool("answer", false, "accept every call that rings")
	verbose := flag.Bool("v", false, "log what the packages tell")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "A phone in a terminal, for the house of `intercom demo`. README.md tells how to try it.")
		flag.PrintDefaults()
		fmt.Fprintln(flag.CommandLine.Output(), help)
	}
	flag.Parse()

	log := slog.New(slog.DiscardHandler)
	if *verbose {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	p, err := open(settings{dir: *dir, service: *service, user: *user, device: *device, answer: *answer, log: log, out: out})
	if err != nil {
		return err
	}
	defer p.Close()
	p.say("%s", help)
	return p.commands(ctx, in)
}

// commands obeys one line after the other, until q, the input's end or ctx's.
func (p *phone) commands(ctx context.Context, in io.Reader) error {
	lines := make(chan string)
	go func() { // ends with the input, or with the process
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case line, ok := <-lines:
			word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			if !ok || word == "q" {
				return nil
			}
			p.command(word, strings.TrimSpace(rest))
		}
	}
}

func (p *phone) command(word, rest string) {
	c := p.current()
	switch {
	case word == "c":
		p.call(rest)
	case !strings.Contains("aemo", word) || len(word) != 1:
		p.say("%s", help)
	case c == nil:
		p.say("there is no call")
	case word == "a" && !c.Accept(acceptAsItIs):
		p.say("there is nothing to accept")
	case word == "e":
		c.End()
	case word == "m":
		m := c.MyMediaStatus()
		m.Mute(!m.Muted())
		p.say("muted: %v", m.Muted())
	case word == "o" && !c.RequestOpen():
		p.say("not now: only in a call, and one request at a time")
	}
}
