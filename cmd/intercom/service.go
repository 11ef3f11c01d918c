package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"intercom/station"
)

// openService finds the service manager that started this program, by what it
// put into the environment: sd_notify(3) and sd_watchdog_enabled(3). Without
// one the Service is none. The variables are removed, as children have no use
// for them.
func openService() (station.Service, error) {
	socket, usec, pid := os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		os.Unsetenv(name)
	}
	if socket == "" {
		return station.Service{}, nil
	}
	if strings.HasPrefix(socket, "@") {
		socket = "\x00" + socket[1:] // abstract, unix(7)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return station.Service{}, fmt.Errorf("service manager's socket: %w", err)
	}
	s := station.Service{Notify: func(state string) error {
		_, err := conn.Write([]byte(state))
		return err
	}}
	if usec != "" && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		n, err := strconv.ParseInt(usec, 10, 64)
		if err != nil || n <= 0 || n > int64(time.Hour/time.Microsecond) {
			return station.Service{}, fmt.Errorf("WATCHDOG_USEC is %q; want microseconds, up to an hour of them", usec)
		}
		s.Watchdog = time.Duration(n) * time.Microsecond
	}
	return s, nil
}
