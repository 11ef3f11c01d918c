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
		return r.goTests(ctx, "./lab/guest", boot{}, "LAB=1")
	}},
	{name: "alsa", about: "the tests of alsa/ that need a kernel", run: func(ctx context.Context, r *runner) error {
		return r.goTests(ctx, "./alsa", boot{}, "ALSA_LAB=1")
	}},
	{name: "gpio", about: "the tests of gpio/ that need a kernel", run: func(ctx context.Context, r *runner) error {
		return r.goTests(ctx, "./gpio", boot{}, "GPIO_LAB=1")
	}},
	{name: "clock", about: "the machine's clock goes years ahead and back during calls", run: func(ctx context.Context, r *runner) error {
		return r.goTests(ctx, "./call", boot{}, "CALL_LAB=1")
	}},
	{name: "call", about: "broker, door and indoor station: a whole call through real lines and sound devices", run: call},
	{name: "raspi", about: "a Raspberry Pi 3 by QEMU: its profile, and every line of it", run: func(ctx context.Context, r *runner) error {
		return r.goTests(ctx, "./board", boot{raspi: true}, "BOARD_LAB=raspi3b")
	}},
	{name: "virt", about: "QEMU's generic board: its profile, and every line of it", run: func(ctx context.Context, r *runner) error {
		return r.goTests(ctx, "./board", boot{}, "BOARD_LAB=virt")
	}},
	{name: "watchdog", about: "a station that hangs: the board is reset, and the cause is told", run: func(ctx context.Context, r *runner) error {
		b, err := r.houseBoot(ctx, exchange.Spec{Case: "watchdog"})
		if err != nil {
			return err
		}
		b.machine, b.reboots = []string{"-device", "i6300esb"}, true
		_, err = r.boot(ctx, b)
		return err
	}},
	{name: "replay", about: "the whole call twice: recordings and lamp logs are the same to the last bit", run: replay},
	{name: "kill", about: "kill -9 of a door station whose opener is on; cards in another order", run: kill},
	{name: "unplug", about: "in a call a station is stopped, and its card taken away and given back", run: unplug},
	{name: "tools", about: "intercom check, cards and buttons at the board itself", run: func(ctx context.Context, r *runner) error {
		b, err := r.houseBoot(ctx, exchange.Spec{Case: "tools"})
		if err != nil {
			return err
		}
		_, err = r.boot(ctx, b)
		return err
	}},
	{name: "drift", about: "two minutes of voice with a clock 200 ppm off", long: true, run: drift},
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
