package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"intercom/lab/exchange"
)

// openHardware inserts what the board consists of: two loopback cards, and the maker of GPIO chips.
func (g *guest) openHardware() error {
	n := len(g.spec.Cards)
	index := make([]string, n)
	ones := make([]string, n)
	for i := range n {
		index[i], ones[i] = fmt.Sprint(i), "1"
	}
	enable, substreams := strings.Join(ones, ","), strings.Join(ones, ",")
	if err := insert("snd-aloop", fmt.Sprintf("index=%s enable=%s id=%s pcm_substreams=%s",
		strings.Join(index, ","), enable, strings.Join(g.spec.Cards, ","), substreams)); err != nil {
		return err
	}
	if err := insert("gpio-sim", ""); err != nil {
		return err
	}
	return mount("configfs", configFS)
}

// goTestCase runs the Go test binary in /bin/test.
func goTestCase(g *guest) error {
	if err := g.openHardware(); err != nil {
		return err
	}
	var out bytes.Buffer
	cmd := exec.Command("/bin/test", g.spec.Args...)
	cmd.Dir = "/tmp"
	cmd.Env = append([]string{"HOME=/tmp", "TMPDIR=/tmp", "PATH=/bin"}, g.spec.Env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	code, err := exitCode(cmd)
	g.report.Exit = code
	g.keep(exchange.OutputFile, out.Bytes())
	return err
}

// shellCase gives the console to a person.
func shellCase(g *guest) error {
	if err := g.openHardware(); err != nil {
		return err
	}
	if err := os.MkdirAll("/bin", 0o755); err != nil {
		return err
	}
	if out, err := exec.Command("/bin/busybox", "--install", "-s", "/bin").CombinedOutput(); err != nil {
		return fmt.Errorf("busybox: %w: %s", err, out)
	}
	cmd := exec.Command("/bin/sh", "-l")
	cmd.Env = []string{"HOME=/tmp", "PATH=/bin", "PS1=board# ", "TERM=vt100", "ALSA_LAB=1", "GPIO_LAB=1"}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	_, err := exitCode(cmd)
	return err
}
