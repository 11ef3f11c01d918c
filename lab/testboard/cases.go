package main

import (
	"context"
	"time"

	"intercom/lab/exchange"
)

// testCase is one thing that is tested on the board.
type testCase struct {
	name   string
	about  string
	long   bool // only in test-board-full, or when named
	byName bool // only when named
	run    func(ctx context.Context, r *runner) error
}

var cases = []testCase{
	{name: "boot", about: "the board itself: kernel, cards by id, GPIO lines", run: func(ctx context.Context, r *runner) error {
		_, err := r.boot(ctx, boot{spec: exchange.Spec{Case: "boot"}})
		return err
	}},
	{name: "lab", about: "a Go test binary with the race detector and its exit status", run: func(ctx context.Context, r *runner) error {
		return r.goTests(ctx, "./lab/guest", "LAB=1")
	}},
	{name: "alsa", about: "the tests of alsa/ that need a kernel", run: func(ctx context.Context, r *runner) error {
		return r.goTests(ctx, "./alsa", "ALSA_LAB=1")
	}},
	{name: "gpio", about: "the tests of gpio/ that need a kernel", run: func(ctx context.Context, r *runner) error {
		return r.goTests(ctx, "./gpio", "GPIO_LAB=1")
	}},
	{name: "demo", about: "a call on simulated boards", run: func(ctx context.Context, r *runner) error {
		bin, err := r.build.intercom(ctx)
		if err != nil {
			return err
		}
		_, err = r.boot(ctx, boot{spec: exchange.Spec{Case: "demo"}, programs: map[string]string{"bin/intercom": bin}})
		return err
	}},
	{name: "shell", about: "a shell on the board's console, in real time", byName: true, run: func(ctx context.Context, r *runner) error {
		_, err := r.boot(ctx, boot{spec: exchange.Spec{Case: "shell", Deadline: 24 * time.Hour}, console: true, limit: 24 * time.Hour})
		return err
	}},
}
