package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"intercom/internal/stricttoml"
)

const (
	profileSimulated = "simulated"
	maxEntries       = 64  // of any list in the file
	maxSocketPath    = 107 // bytes; unix(7): sun_path is 108 with its final zero
	maxInterfaceName = 15  // bytes; IFNAMSIZ is 16 with its final zero
)

// check looks at all values, and at what they say together. It reports and
// goes on, so that one run shows everything.
func (c *Config) check() {
	c.checkStation()
	c.checkBroker()
	c.checkBoard()
	c.checkButtons()
	c.checkLamps()
	c.checkDoor()
	c.checkCall()
	c.checkQuiet()
	c.checkSound()
	c.checkNetwork()
	oneOf(c, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(c, "log.format", c.Log.Format, "text", "json")
}

func (c *Config) checkStation() {
	s := c.Station
	c.required("station.kind", string(s.Kind), `write kind = "door" or kind = "indoor"`)
	oneOf(c, "station.kind", s.Kind, Door, Indoor)
	c.required("station.name", s.Name, `give this device a name of its own, as in name = "front-door"`)
	c.id("station.name", s.Name)
	c.required("station.service", s.Service, `name the service, the same on all devices, as in service = "home"`)
	c.id("station.service", s.Service)
	c.required("station.user", s.User, `name the user that this device acts for, as in user = "door"`)
	c.id("station.user", s.User)
	c.path("station.state_dir", s.StateDir)
	c.path("identity.key", c.Identity.Key)
	c.path("identity.token", c.Identity.Token)
	c.path("identity.authority", c.Identity.Authority)
}

func (c *Config) checkBroker() {
	b := c.Broker
	c.required("broker.url", b.URL, `write url = "mqtt://host" or url = "mqtts://host"`)
	if b.URL != "" {
		if err := CheckBrokerURL(b.URL); err != nil {
			c.bad("broker.url", "%v", err)
		}
	}
	if b.CA != "" && strings.HasPrefix(b.URL, "mqtt:") {
		c.bad("broker.ca", "is only used with mqtts://; write the url with mqtts, or remove ca")
	}
	between(c, "broker.keep_alive", b.KeepAlive, time.Second, time.Minute)
	if b.KeepAlive%time.Second != 0 {
		c.bad("broker.keep_alive", "%v is not in whole seconds, which MQTT counts in; write %v", b.KeepAlive, b.KeepAlive.Round(time.Second))
	}
	between(c, "broker.connect_timeout", b.ConnectTimeout, time.Second, time.Minute)
}

// CheckBrokerURL says what is wrong with the address of an MQTT broker, and what to write instead.
func CheckBrokerURL(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return fmt.Errorf("%q is not a URL; write it as in mqtt://broker.example:1883", s)
	}
	bare := url.URL{Scheme: u.Scheme, Host: u.Host}
	switch {
	case u.Scheme != "mqtt" && u.Scheme != "mqtts":
		return fmt.Errorf("%q does not start with mqtt:// or mqtts://; write one of them", s)
	case u.User != nil:
		return errors.New("a user has no place in it: devices prove themselves with their key; remove everything up to the @")
	case bare.String() != strings.TrimSuffix(s, "/") || u.Hostname() == "":
		return fmt.Errorf("%q is not a host and a port; write it as in %s://broker.example", s, u.Scheme)
	}
	return checkPort(u.Port())
}

func (c *Config) checkBoard() {
	c.required("board.profile", c.Board.Profile, `name a board profile, as in profile = "simulated"`)
	c.id("board.profile", c.Board.Profile)
	if c.Board.Profile != profileSimulated && c.doc.Has("board.simulated") {
		c.bad("board.simulated", "belongs to the profile %q, and the profile is %q; remove it", profileSimulated, c.Board.Profile)
	}
	between(c, "board.watchdog_timeout", c.Board.WatchdogTimeout, 2*time.Second, time.Minute)
	if c.Board.WatchdogTimeout%time.Second != 0 {
		c.bad("board.watchdog_timeout", "%v is not in whole seconds, which a watchdog counts in; write %v", c.Board.WatchdogTimeout, c.Board.WatchdogTimeout.Round(time.Second))
	}
	if c.doc.Has("board.sound") {
		c.id("board.sound", c.Board.Sound)
	}
	between(c, "board.simulated.rate_ppm", c.Board.Simulated.RatePPM, -500, 500)
}

func (c *Config) checkButtons() {
	actions := []Action{ActionCall, ActionAccept, ActionEnd, ActionDecline, ActionMute, ActionOpen, ActionVolumeUp, ActionVolumeDown, ActionRingerMute, ActionQuiet}
	c.atMost("button", len(c.Buttons))
	seen := make(map[string]int)
	used := make(map[Action]bool)
	for i, b := range c.Buttons {
		key := func(k string) string { return fmt.Sprintf("button[%d].%s", i, k) }
		c.line(key("name"), b.Name, seen, i, "button")
		c.required(key("action"), string(b.Action), `say what it does, as in action = "call"`)
		oneOf(c, key("action"), b.Action, actions...)
		if c.doc.Has(key("long_press")) {
			oneOf(c, key("long_press"), b.LongPress, actions...)
		}
		calls := b.Action == ActionCall || b.LongPress == ActionCall
		switch {
		case calls && c.doc.Has(key("callees")):
			c.checkGroup(key, b)
		case calls:
			c.required(key("callee"), b.Callee, `say whom it calls, as in callee = "flat-1"`)
			c.id(key("callee"), b.Callee)
			c.notSelf(key("callee"), b.Callee)
		default:
			for _, k := range []string{"callee", "callees"} {
				if c.doc.Has(key(k)) {
					c.bad(key(k), "only a button with the action call has one, and this one's is %q; remove it", b.Action)
				}
			}
		}
		if c.doc.Has(key("fall_through_after")) && !c.doc.Has(key("callees")) {
			c.bad(key("fall_through_after"), "is for a button with callees; name them, or remove it")
		}
		used[b.Action], used[b.LongPress] = true, true
	}
	switch c.Station.Kind {
	case Door:
		if !used[ActionCall] {
			c.bad("button", `a door needs a button that calls; add [[button]] with name, action = "call" and callee`)
		}
	case Indoor:
		for _, a := range []Action{ActionAccept, ActionEnd} {
			if !used[a] {
				c.warn("button", "no button has the action %s; without it calls are only handled from elsewhere", a)
			}
		}
	}
}

const (
	maxGroup       = 16        // call.MaxGroup
	maxFallThrough = time.Hour // from the first to the last; package call takes no later member
)

// checkGroup looks at a button that rings several users.
func (c *Config) checkGroup(key func(string) string, b Button) {
	if c.doc.Has(key("callee")) {
		c.bad(key("callee"), "has no place beside callees; put it into the list")
	}
	if n := len(b.Callees); n < 2 || n > maxGroup {
		c.bad(key("callees"), "has %d users, use 2 to %d; for a single one write callee", n, maxGroup)
	}
	c.users(key("callees"), b.Callees)
	for i, u := range b.Callees {
		c.notSelf(fmt.Sprintf("%s[%d]", key("callees"), i), u)
	}
	after := key("fall_through_after")
	if !c.doc.Has(after) {
		return
	}
	between(c, after, b.FallThroughAfter, 5*time.Second, 10*time.Minute)
	if last := time.Duration(len(b.Callees)-1) * b.FallThroughAfter; last > maxFallThrough {
		c.bad(after, "the last of %d users would ring after %v, over the limit of %v; make it shorter", len(b.Callees), show(last), show(maxFallThrough))
	}
}

func (c *Config) notSelf(key, user string) {
	if user != "" && user == c.Station.User {
		c.bad(key, "%q is this station's own user; name another", user)
	}
}

func (c *Config) checkLamps() {
	c.atMost("lamp", len(c.Lamps))
	seen := make(map[string]int)
	used := make(map[Shows]bool)
	for i, l := range c.Lamps {
		key := fmt.Sprintf("lamp[%d]", i)
		c.line(key+".name", l.Name, seen, i, "lamp")
		c.required(key+".shows", string(l.Shows), `say what it shows, as in shows = "call"`)
		oneOf(c, key+".shows", l.Shows, ShowsCall, ShowsMute, ShowsOpen, ShowsFault, ShowsRinger)
		used[l.Shows] = true
	}
	if c.Station.Kind == Door && !used[ShowsCall] {
		c.warn("lamp", "no lamp shows call; visitors will not see that their press did anything")
	}
}

func (c *Config) checkDoor() {
	if c.Station.Kind != Door {
		if c.Station.Kind == Indoor && c.doc.Has("door") {
			c.bad("door", "only a door station has one; remove it, or write kind = \"door\" in [station]")
		}
		return
	}
	d := c.Door
	if c.doc.Has("door.relay") {
		c.id("door.relay", d.Relay)
	} else if c.doc.Has("door") {
		c.warn("door", "no relay is named; the door can not be opened")
	}
	oneOf(c, "door.relay_type", d.RelayType, RelayLevel, RelayPulse)
	between(c, "door.open_time", d.OpenTime, 100*time.Millisecond, time.Minute)
	c.users("door.open_users", d.OpenUsers)
	c.users("door.listen_users", d.ListenUsers)
	if c.doc.Has("door.open_users") && len(d.OpenUsers) == 0 {
		c.warn("door.open_users", "is empty; nobody can open the door")
	}
}

// users checks a list of user ids.
func (c *Config) users(list string, ids []string) {
	c.atMost(list, len(ids))
	seen := make(map[string]bool)
	for i, u := range ids {
		key := fmt.Sprintf("%s[%d]", list, i)
		c.id(key, u)
		if seen[u] {
			c.bad(key, "%q is in the list twice; remove one", u)
		}
		seen[u] = true
	}
}

func (c *Config) checkCall() {
	// The defaults of what follows give way to a short time before it.
	l := &c.Call
	if !c.doc.Has("call.unreachable_limit") {
		l.UnreachableLimit = min(l.UnreachableLimit, max(l.RingTime, time.Second))
	}
	if !c.doc.Has("call.unreachable_after") {
		l.UnreachableAfter = min(l.UnreachableAfter, max(l.UnreachableLimit, time.Second))
	}
	between(c, "call.ring_time", l.RingTime, 5*time.Second, 10*time.Minute)
	between(c, "call.unreachable_limit", l.UnreachableLimit, time.Second, 10*time.Minute)
	if l.UnreachableLimit > l.RingTime {
		c.bad("call.unreachable_limit", "%v is longer than ring_time, %v; make it shorter", show(l.UnreachableLimit), show(l.RingTime))
	}
	between(c, "call.unreachable_after", l.UnreachableAfter, 500*time.Millisecond, time.Minute)
	if l.UnreachableAfter > l.UnreachableLimit {
		c.bad("call.unreachable_after", "%v is longer than unreachable_limit, %v; make it shorter", show(l.UnreachableAfter), show(l.UnreachableLimit))
	}
	if l.TalkLimit != 0 {
		between(c, "call.talk_limit", l.TalkLimit, 10*time.Second, 24*time.Hour)
	}
	oneOf(c, "call.same_button", l.SameButton, "feedback", "end")
	oneOf(c, "call.other_button", l.OtherButton, "switch", "feedback")
	oneOf(c, "call.accept_waiting", l.AcceptWaiting, "hold", "end")
	oneOf(c, "call.decline_scope", l.DeclineScope, "user", "device")
}

func (c *Config) checkSound() {
	s := c.Sound
	between(c, "sound.volume", s.Volume, 0, 100)
	between(c, "sound.ringer_volume", s.RingerVolume, 0, 100)
	oneOf(c, "sound.frame", s.Frame, 10*time.Millisecond, 20*time.Millisecond)
	between(c, "sound.bitrate", s.Bitrate, 24000, 96000)
	switch {
	case !c.doc.Has("sound.card"):
	case cardNumber.MatchString(s.Card):
		c.bad("sound.card", "%q is a number, which changes from boot to boot; write the card's id or its USB port, as intercom cards shows them", s.Card)
	case !cardName.MatchString(s.Card):
		c.bad("sound.card", "%q is no sound card; write its id as in \"Door\", or its USB port as in \"usb:1-1.2\": intercom cards shows both", s.Card)
	}
}

func (c *Config) checkNetwork() {
	n := c.Network
	c.atMost("network.stun", len(n.STUN))
	for i, s := range n.STUN {
		c.server(fmt.Sprintf("network.stun[%d]", i), s, "stun")
	}
	c.atMost("network.turn", len(n.TURN))
	for i, t := range n.TURN {
		key := fmt.Sprintf("network.turn[%d]", i)
		c.required(key+".url", t.URL, `write it as in url = "turn:relay.example:3478"`)
		address, query, asked := strings.Cut(t.URL, "?")
		if asked && query != "transport=udp" && query != "transport=tcp" {
			c.bad(key+".url", "%q is unknown; only ?transport=udp or ?transport=tcp may follow", "?"+query)
		}
		c.server(key+".url", address, "turn", "turns")
		c.required(key+".username", t.Username, "write the user name that the relay knows")
		c.required(key+".password_file", t.PasswordFile, "name a file that holds the password: none stands in this file")
		c.path(key+".password_file", t.PasswordFile)
	}
	c.atMost("network.interfaces", len(n.Interfaces))
	for i, s := range n.Interfaces {
		if s == "" || len(s) > maxInterfaceName || strings.ContainsAny(s, "/ \t\r\n\x00") {
			c.bad(fmt.Sprintf("network.interfaces[%d]", i), "%q is not the name of an interface; write it as `ip link` shows it", s)
		}
	}
}

// checkSockets looks at the paths of sockets, once they are complete.
func (c *Config) checkSockets() {
	short := func(key, path string) {
		if len(path) > maxSocketPath {
			c.bad(key, "its path has %d bytes, over the limit of %d of unix sockets; name a shorter one, as in /run/intercom/%s.sock", len(path), maxSocketPath, c.Station.Name)
		}
	}
	short("status.socket", c.Status.Socket)
	short("board.simulated.socket", c.Board.Simulated.Socket)
}

// The rest are the single checks. Each is quiet about a key that has a problem
// already, and, required apart, about one that is empty because it is missing.

var (
	idPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`) // the call model's ids
	// A card by its id (struct snd_card: id[16]) or by its USB port (bus, then the ports of the hubs on the way), as
	// alsa takes them; the second device of a card is behind a comma.
	cardName   = regexp.MustCompile(`^([A-Za-z0-9_-]{1,15}|usb:[0-9]{1,3}-[0-9]{1,3}(\.[0-9]{1,3}){0,6})(,DEV=[0-9]{1,2})?$`)
	cardNumber = regexp.MustCompile(`^[0-9]+(,|$)`)
)

func (c *Config) bad(key, format string, args ...any) { c.doc.Problem(key, format, args...) }

func (c *Config) warn(key, format string, args ...any) {
	w := Problem{Position: c.doc.Pos(key), Key: key, What: fmt.Sprintf(format, args...)}
	c.Warnings = append(c.Warnings, w.Error())
}

func (c *Config) required(key, value, todo string) {
	switch {
	case value != "":
	case c.doc.Has(key):
		c.bad(key, "is empty; %s", todo)
	default:
		c.bad(key, "is missing; %s", todo)
	}
}

func (c *Config) id(key, value string) {
	if (value != "" || c.doc.Has(key)) && (!idPattern.MatchString(value) || value == "." || value == "..") {
		c.bad(key, "%q is not an id; use 1 to 64 of a-z A-Z 0-9 . _ -", value)
	}
}

// line checks the name of a line of the board, which is used once.
func (c *Config) line(key, name string, seen map[string]int, i int, list string) {
	c.required(key, name, "name a line of the board's profile")
	c.id(key, name)
	if first, ok := seen[name]; ok && name != "" {
		c.bad(key, "%q is used already by %s[%d] at %v; use each line once", name, list, first, c.doc.Pos(fmt.Sprintf("%s[%d].name", list, first)))
		return
	}
	seen[name] = i
}

func (c *Config) path(key, value string) {
	if value == "" {
		c.required(key, value, "name a file or folder, or remove the key for the default")
	}
}

func (c *Config) atMost(key string, n int) {
	if n > maxEntries {
		c.bad(key, "has %d entries, over the limit of %d; remove some", n, maxEntries)
	}
}

func checkPort(port string) error {
	if port == "" {
		return nil
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%s is not a port; use 1 to 65535", port)
	}
	return nil
}

// server checks scheme:host or scheme:host:port (RFC 7064, RFC 7065).
func (c *Config) server(key, s string, schemes ...string) {
	scheme, address, _ := strings.Cut(s, ":")
	ok := false
	for _, want := range schemes {
		ok = ok || scheme == want
	}
	u, err := url.Parse("x://" + address)
	if s != "" && (!ok || err != nil || u.Hostname() == "" || u.Host != address || net.ParseIP(address) != nil && strings.Contains(address, ":")) {
		c.bad(key, "%q is not an address; write it as in %s:host.example:3478", s, schemes[0])
	} else if s == "" {
		c.required(key, s, fmt.Sprintf("write it as in %s:host.example:3478", schemes[0]))
	} else if err := checkPort(u.Port()); err != nil {
		c.bad(key, "%v", err)
	}
}

func oneOf[T comparable](c *Config, key string, value T, all ...T) {
	names := make([]string, len(all))
	for i, a := range all {
		if a == value {
			return
		}
		names[i] = show(a)
	}
	got := show(value)
	if got == "" && !c.doc.Has(key) {
		return
	}
	if best := stricttoml.Nearest(got, names); best != "" {
		c.bad(key, "%q is unknown; did you mean %q?", got, best)
		return
	}
	c.bad(key, "%q is not one of the values; use %q", got, names)
}

func between[T cmp.Ordered](c *Config, key string, value, low, high T) {
	if !(value >= low && value <= high) { // so that no NaN gets through
		c.bad(key, "%s is out of bounds; use %s to %s", show(value), show(low), show(high))
	}
}

// show writes a value as the file would: 10m, not 10m0s.
func show(v any) string {
	s := fmt.Sprint(v)
	if _, ok := v.(time.Duration); ok && v != time.Duration(0) {
		if strings.HasSuffix(s, "m0s") {
			s = strings.TrimSuffix(s, "0s")
		}
		if strings.HasSuffix(s, "h0m") {
			s = strings.TrimSuffix(s, "0m")
		}
	}
	return s
}
