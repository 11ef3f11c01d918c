// Package watchdog feeds the board's watchdog timer through the kernel's watchdog device, and says whether it was
// the watchdog that reset the board last (Documentation/watchdog/watchdog-api.rst).
//
//	Open ──▶ armed ──Feed, Feed, ...──▶ Close: disarmed
//	           └── no Feed for the timeout, or the process is gone ──▶ the board resets
//
// Where systemd has the device (RuntimeWatchdogSec), it is busy here, and systemd's is the one to use.
package watchdog
