package station

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"intercom/config"
	"intercom/internal/durable"
	"intercom/rtc"
)

const maxPassword = 1024 // bytes

// openMedia opens WebRTC. local offers the loopback addresses too: stations on
// simulated boards talk to one another on one machine without a network.
func openMedia(cfg *config.Config, local bool, log *slog.Logger) (*rtc.Media, error) {
	c := rtc.Config{Interfaces: cfg.Network.Interfaces, IncludeLoopback: local, Log: log}
	for _, url := range cfg.Network.STUN {
		c.ICEServers = append(c.ICEServers, rtc.ICEServer{URL: url})
	}
	for i, t := range cfg.Network.TURN {
		password, err := readPassword(t.PasswordFile)
		if err != nil {
			return nil, cfg.Errorf(fmt.Sprintf("network.turn[%d].password_file", i), "%v", err)
		}
		c.ICEServers = append(c.ICEServers, rtc.ICEServer{URL: t.URL, Username: t.Username, Password: password})
	}
	m, err := rtc.New(c)
	if err != nil {
		return nil, fmt.Errorf("station: %w", err)
	}
	return m, nil
}

// readPassword reads the first line of a file.
func readPassword(path string) (string, error) {
	f, err := durable.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, maxPassword)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", err
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", fmt.Errorf("%s has no password in its first line; write it there", path)
	}
	return line, nil
}
