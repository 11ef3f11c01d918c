package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const moduleDir = "/modules"

// mountAll mounts what a program expects of Linux.
func mountAll() error {
	for _, m := range []struct{ kind, path string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}, {"tmpfs", "/run"},
	} {
		if err := mount(m.kind, m.path); err != nil {
			return err
		}
	}
	return loopbackUp()
}

func mount(kind, path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(kind, path, kind, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mount %s on %s: %w", kind, path, err)
	}
	return nil
}

// loopbackUp gives lo its address, which the kernel does by itself when it comes up.
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	defer unix.Close(s)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, req); err != nil {
		return fmt.Errorf("loopback: set up: %w", err)
	}
	return nil
}

// insert inserts a module after those that it needs; parameters are those of the module itself.
func insert(name, parameters string) error {
	deps, err := os.ReadFile(moduleDir + "/deps")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(deps)) {
		module, list, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if module != name {
			continue
		}
		for _, m := range strings.Fields(list) {
			p := ""
			if m == name {
				p = parameters
			}
			if err := insertOne(m, p); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("no module %s in %s/deps", name, moduleDir)
}

func insertOne(name, parameters string) error {
	f, err := os.Open(moduleDir + "/" + name + ".ko")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), parameters, 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("insert %s %s: %w", name, parameters, err)
	}
	return nil
}

// exitCode runs a program to its end.
func exitCode(cmd *exec.Cmd) (int, error) {
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit):
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			return 128 + int(s.Signal()), nil
		}
		return exit.ExitCode(), nil
	}
	return -1, err
}
