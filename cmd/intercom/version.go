package main

import (
	"runtime"
	"runtime/debug"
	"time"
)

type build struct {
	Version, Go, OS, Arch string
	Time                  time.Time // of the commit; zero where unknown
}

func buildInfo() build {
	b := build{Version: "development", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
				b.Time = t
			}
		}
	}
	return b
}
