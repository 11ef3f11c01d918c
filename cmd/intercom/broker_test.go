package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"intercom/identity"
)

// What a broker says to one who connects (MQTT 3.1.1, section 3.2.2.3).
const (
	mqttAccepted      = 0
	mqttNotAuthorized = 5
)

// TestBrokerAdmits runs the command as the package's unit does, and without an authority.
func TestBrokerAdmits(t *testing.T) {
	dir := t.TempDir()
	key, err := identity.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	authority := filepath.Join(dir, "authority.pub")
	if err := identity.WriteAuthority(authority, key.Public()); err != nil {
		t.Fatal(err)
	}
	floor := filepath.Join(dir, "clock-floor")
	for _, tc := range []struct {
		name  string
		cmd   brokerCmd
		wants byte
	}{
		{"open to all", brokerCmd{}, mqttAccepted},
		{"a stranger, with an authority", brokerCmd{Authority: authority, Service: "home", ClockFloor: floor}, mqttNotAuthorized},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			out, in := io.Pipe()
			var errs bytes.Buffer
			done := make(chan error, 1)
			tc.cmd.Listen = "127.0.0.1:0"
			go func() { done <- tc.cmd.Run(ctx, console{out: in, err: &errs}) }()
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			address, ok := strings.CutPrefix(strings.TrimSpace(line), "mqtt://")
			if !ok {
				t.Fatalf("it printed %q, want mqtt://...", line)
			}
			if got := connectAsStranger(t, address); got != tc.wants {
				t.Errorf("CONNACK %d, want %d", got, tc.wants)
			}
			stop()
			if err := <-done; err != nil {
				t.Errorf("it ended with %v\n%s", err, errs.String())
			}
		})
	}
}

// connectAsStranger gives the return code of the answer to a CONNECT without a name.
func connectAsStranger(t *testing.T, address string) byte {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// Fixed header, then protocol name and level 4, clean session, keep-alive 60 s, client id "x" (section 3.1).
	if _, err := c.Write([]byte("\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x")); err != nil {
		t.Fatal(err)
	}
	var ack [4]byte
	if _, err := io.ReadFull(c, ack[:]); err != nil {
		t.Fatalf("no CONNACK: %v", err)
	}
	if ack[0] != 0x20 {
		t.Fatalf("% x is no CONNACK", ack)
	}
	return ack[3]
}
