package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The least that a door and an indoor station need.
const (
	door = `[station]
kind = "door"
name = "front"
service = "home"
user = "door"
[broker]
url = "mqtt://localhost"
[[button]]
name = "bell-1"
action = "call"
callee = "flat-1"
`
	indoor = `[station]
kind = "indoor"
name = "hall"
service = "home"
user = "flat-1"
[broker]
url = "mqtt://localhost"
[[button]]
name = "accept"
action = "accept"
[[button]]
name = "end"
action = "end"
`
)

var ignoreDoc = cmpopts.IgnoreUnexported(Config{})

func TestMinimal(t *testing.T) {
	got, err := Parse("conf/front.toml", []byte(door))
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Station = Station{Kind: Door, Name: "front", Service: "home", User: "door", StateDir: "conf/state"}
	want.Identity = Identity{Key: "conf/device.key", Token: "conf/device.token", Authority: "conf/authority.pub"}
	want.Broker.URL = "mqtt://localhost:1883"
	want.Board.Simulated.Socket = "conf/state/board.sock"
	want.Buttons = []Button{{Name: "bell-1", Action: ActionCall, Callee: "flat-1"}}
	want.Door.OpenUsers, want.Door.ListenUsers = []string{"flat-1"}, []string{"flat-1"}
	want.Status.Socket = "conf/state/status.sock"
	want.Warnings = []string{"conf/front.toml: lamp: no lamp shows call; visitors will not see that their press did anything"}
	if diff := cmp.Diff(want, got, ignoreDoc); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSample holds the annotated sample to the defaults: as it is, and with
// every default that it shows in force.
func TestSample(t *testing.T) {
	data, err := os.ReadFile("sample.toml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load("sample.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Station = Station{Kind: Door, Name: "front-door", Service: "home", User: "door", StateDir: "state"}
	want.Broker.URL = "mqtt://localhost:1883"
	want.Board.Simulated.Socket = "state/board.sock"
	want.Buttons = []Button{{Name: "bell-1", Action: ActionCall, Callee: "flat-1"}, {Name: "bell-2", Action: ActionCall, Callee: "flat-2"}}
	want.Lamps = []Lamp{{Name: "call-lamp", Shows: ShowsCall}, {Name: "open-lamp", Shows: ShowsOpen}}
	want.Door.Relay = "strike"
	want.Door.OpenUsers, want.Door.ListenUsers = []string{"flat-1", "flat-2"}, []string{"flat-1", "flat-2"}
	want.Status.Socket = "state/status.sock"
	if diff := cmp.Diff(want, got, ignoreDoc, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the sample differs from the defaults (-want +got):\n%s", diff)
	}

	// A line "#key = value" is a default, but for the examples that a comment
	// ending in "An example:" announces.
	var open strings.Builder
	example := false
	for line := range strings.Lines(string(data)) {
		switch {
		case !strings.HasPrefix(line, "#"):
			example = false
		case strings.HasPrefix(line, "# "):
			example = strings.HasSuffix(line, "An example:\n")
		case !example:
			line = line[1:]
		}
		open.WriteString(line)
	}
	got, err = Parse("sample.toml", []byte(open.String()))
	if err != nil {
		t.Fatalf("with all defaults in force: %v", err)
	}
	if diff := cmp.Diff(want, got, ignoreDoc, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("a default of the sample is not one (-default +sample):\n%s", diff)
	}

	// Everything else in it is right too, and no key is left out.
	all := regexp.MustCompile(`(?m)^#([^ \n])`).ReplaceAllString(string(data), "$1")
	all = strings.Replace(all, "mqtt://", "mqtts://", 1)
	full, err := Parse("sample.toml", []byte(all))
	if err != nil {
		t.Fatalf("with the examples in force: %v", err)
	}
	for _, key := range keys() {
		another := strings.Replace(key, "button[0]", "button[2]", 1)
		if !full.doc.Has(key) && !full.doc.Has(another) && key != "button[0].long_press" {
			t.Errorf("the sample does not show %s", key)
		}
	}
}

// keys returns all keys of the schema; the first element of each list.
func keys() (out []string) {
	return walk("", typeOf[Config](), out)
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name string
		text string // "-" in front: replaces "-old\n+new" in the door's; else added at the end of it
		want string // without the name of the file
	}{
		{"kind", "-\"door\"\nname\n+\"dor\"\nname", `2:1: station.kind: "dor" is unknown; did you mean "door"?`},
		{"id", "-\"front\"\n+\"front door\"", `3:1: station.name: "front door" is not an id; use 1 to 64 of a-z A-Z 0-9 . _ -`},
		{"empty", "-\"front\"\n+\"\"", `3:1: station.name: is empty; give this device a name of its own, as in name = "front-door"`},
		{"missing", "-name = \"front\"\n+", `1:2: station.name: is missing; give this device a name of its own, as in name = "front-door"`},
		{"scheme", "-mqtt://\n+http://", `7:1: broker.url: "http://localhost" does not start with mqtt:// or mqtts://; write one of them`},
		{"broker user", "-mqtt://\n+mqtt://u:secret@", `7:1: broker.url: a user has no place in it: devices prove themselves with their key; remove everything up to the @`},
		{"broker path", "-localhost\n+localhost/x", `7:1: broker.url: "mqtt://localhost/x" is not a host and a port; write it as in mqtt://broker.example`},
		{"broker without host", "-localhost\n+:1883", `7:1: broker.url: "mqtt://:1883" is not a host and a port; write it as in mqtt://broker.example`},
		{"broker port", "-localhost\n+localhost:70000", `7:1: broker.url: 70000 is not a port; use 1 to 65535`},
		{"broker URL", "-localhost\n+lo calhost", `7:1: broker.url: "mqtt://lo calhost" is not a URL; write it as in mqtt://broker.example:1883`},
		{"ca", "-[[button]]\n+ca = 'x'\n[[button]]", `8:1: broker.ca: is only used with mqtts://; write the url with mqtts, or remove ca`},
		{"keep alive", "-[[button]]\n+keep_alive = '2500ms'\n[[button]]", `8:1: broker.keep_alive: 2.5s is not in whole seconds, which MQTT counts in; write 3s`},
		{"watchdog timeout", "-[[button]]\n+[board]\nwatchdog_timeout = '2500ms'\n[[button]]", `9:1: board.watchdog_timeout: 2.5s is not in whole seconds, which a watchdog counts in; write 3s`},
		{"keep alive too long", "-[[button]]\n+keep_alive = '2m'\n[[button]]", `8:1: broker.keep_alive: 2m is out of bounds; use 1s to 1m`},
		{"simulated", "[board]\nprofile = 'pi'\n[board.simulated]\n", `14:2: board.simulated: belongs to the profile "simulated", and the profile is "pi"; remove it`},
		{"rate", "[board.simulated]\nrate_ppm = nan\n", `13:1: board.simulated.rate_ppm: NaN is out of bounds; use -500 to 500`},
		{"action", "-\"call\"\n+\"cal\"", `8:3: button: a door needs a button that calls; add [[button]] with name, action = "call" and callee` + "\n" +
			`10:1: button[0].action: "cal" is unknown; did you mean "call"?` + "\n" +
			`11:1: button[0].callee: only a button with the action call has one, and this one's is "cal"; remove it`},
		{"no callee", "-callee = \"flat-1\"\n+", `8:3: button[0].callee: is missing; say whom it calls, as in callee = "flat-1"`},
		{"own callee", "-\"flat-1\"\n+\"door\"", `11:1: button[0].callee: "door" is this station's own user; name another`},
		{"needless callee", "[[button]]\nname='b'\naction='end'\ncallee='x'\n", `15:1: button[1].callee: only a button with the action call has one, and this one's is "end"; remove it`},
		{"long press", "[[button]]\nname='b'\naction='end'\nlong_press=''\n", `15:1: button[1].long_press: "" is not one of the values; use ["call" "accept" "end" "decline" "mute" "open" "volume-up" "volume-down" "ringer-mute" "do-not-disturb"]`},
		{"long press call", "[[button]]\nname='b'\naction='end'\nlong_press='call'\n", `12:3: button[1].callee: is missing; say whom it calls, as in callee = "flat-1"`},
		{"needless callees", "[[button]]\nname='b'\naction='end'\ncallees=['x']\nfall_through_after='9s'\n", `15:1: button[1].callees: only a button with the action call has one, and this one's is "end"; remove it`},
		{"callee and callees", "[[button]]\nname='b'\naction='call'\ncallee='x'\ncallees=['x']\n", `15:1: button[1].callee: has no place beside callees; put it into the list` + "\n" + `16:1: button[1].callees: has 1 users, use 2 to 16; for a single one write callee`},
		{"callees", "[[button]]\nname='b'\naction='call'\ncallees=['x','y z','x','door']\n", `15:14: button[1].callees[1]: "y z" is not an id; use 1 to 64 of a-z A-Z 0-9 . _ -` + "\n" +
			`f:15:20: button[1].callees[2]: "x" is in the list twice; remove one` + "\n" + `f:15:24: button[1].callees[3]: "door" is this station's own user; name another`},
		{"fall-through too short", "[[button]]\nname='b'\naction='call'\ncallees=['x','y']\nfall_through_after='4s'\n", `16:1: button[1].fall_through_after: 4s is out of bounds; use 5s to 10m`},
		{"fall-through too long", "[[button]]\nname='b'\naction='call'\ncallees=['1','2','3','4','5','6','7','8']\nfall_through_after='10m'\n", `16:1: button[1].fall_through_after: the last of 8 users would ring after 1h10m, over the limit of 1h; make it shorter`},
		{"fall-through of one", "[[button]]\nname='b'\naction='call'\ncallee='x'\nfall_through_after='9s'\n", `16:1: button[1].fall_through_after: is for a button with callees; name them, or remove it`},
		{"accept waiting", "[call]\naccept_waiting='drop'", `13:1: call.accept_waiting: "drop" is not one of the values; use ["hold" "end"]`},
		{"quiet hours", "[quiet]\nhours=['22:00-07:00','7:00-8:00','22:60-23:00','24:00-01:00','01:00-24:01','03:00-03:00']", `13:22: quiet.hours[1]: "7:00-8:00" is not a time of the day; write it as in "22:00-07:00"` + "\n" +
			`f:13:34: quiet.hours[2]: "22:60-23:00" is not a time of the day; use 00:00 to 24:00` + "\n" + `f:13:48: quiet.hours[3]: "24:00-01:00" is not a time of the day; use 00:00 to 24:00` + "\n" +
			`f:13:62: quiet.hours[4]: "01:00-24:01" is not a time of the day; use 00:00 to 24:00` + "\n" + `f:13:76: quiet.hours[5]: "03:00-03:00" begins and ends at once; for all day write do_not_disturb = true`},
		{"button twice", "[[button]]\nname='bell-1'\naction='end'\n", `13:1: button[1].name: "bell-1" is used already by button[0] at f:9:1; use each line once`},
		{"lamp twice", "[[lamp]]\nname='a'\nshows='call'\n[[lamp]]\nname='a'\nshows='mute'\n", `16:1: lamp[1].name: "a" is used already by lamp[0] at f:13:1; use each line once`},
		{"lamp", "[[lamp]]\nname='a'\nshows='door'\n", `14:1: lamp[0].shows: "door" is not one of the values; use ["call" "mute" "open" "fault" "ringer"]`},
		{"open time", "[door]\nopen_time='2m'", `13:1: door.open_time: 2m is out of bounds; use 100ms to 1m`},
		{"open users", "[door]\nopen_users=['a','a','b c']", `13:17: door.open_users[1]: "a" is in the list twice; remove one` + "\n" + `f:13:21: door.open_users[2]: "b c" is not an id; use 1 to 64 of a-z A-Z 0-9 . _ -`},
		{"listen users", "[door]\nlisten_users=['a','a']", `13:19: door.listen_users[1]: "a" is in the list twice; remove one`},
		{"ring time", "[call]\nring_time='11m'", `13:1: call.ring_time: 11m is out of bounds; use 5s to 10m`},
		{"unreachable", "[call]\nring_time='20s'\nunreachable_limit='21s'\nunreachable_after='22s'", `14:1: call.unreachable_limit: 21s is longer than ring_time, 20s; make it shorter` + "\n" + `f:15:1: call.unreachable_after: 22s is longer than unreachable_limit, 21s; make it shorter`},
		{"talk limit", "[call]\ntalk_limit='9s'", `13:1: call.talk_limit: 9s is out of bounds; use 10s to 24h`},
		{"frame", "[sound]\nframe='15ms'", `13:1: sound.frame: "15ms" is unknown; did you mean "10ms"?`},
		{"volume", "[sound]\nvolume=101", `13:1: sound.volume: 101 is out of bounds; use 0 to 100`},
		{"bitrate", "[sound]\nbitrate=23999", `13:1: sound.bitrate: 23999 is out of bounds; use 24000 to 96000`},
		{"card", "[sound]\ncard='hw:0'", `13:1: sound.card: "hw:0" is no sound card; write its id as in "Door", or its USB port as in "usb:1-1.2": intercom cards shows both`},
		{"card by number", "[sound]\ncard='1'", `13:1: sound.card: "1" is a number, which changes from boot to boot; write the card's id or its USB port, as intercom cards shows them`},
		{"port of a card", "[sound]\ncard='usb:1.2'", `13:1: sound.card: "usb:1.2" is no sound card; write its id as in "Door", or its USB port as in "usb:1-1.2": intercom cards shows both`},
		{"stun", "[network]\nstun=['stun:a.example:3478','stun:b.example','stun://c.example', 'd:1']", `13:46: network.stun[2]: "stun://c.example" is not an address; write it as in stun:host.example:3478` + "\n" + `f:13:66: network.stun[3]: "d:1" is not an address; write it as in stun:host.example:3478`},
		{"turn", "[[network.turn]]\nurl='turn:a.example?transport=sctp'\nusername='u'", `12:3: network.turn[0].password_file: is missing; name a file that holds the password: none stands in this file` + "\n" + `f:13:1: network.turn[0].url: "?transport=sctp" is unknown; only ?transport=udp or ?transport=tcp may follow`},
		{"interface", "[network]\ninterfaces=['eth/0']", `13:13: network.interfaces[0]: "eth/0" is not the name of an interface; write it as ` + "`ip link`" + ` shows it`},
		{"too many", "[network]\ninterfaces=[" + strings.Repeat("'a',", 65) + "]", `13:1: network.interfaces: has 65 entries, over the limit of 64; remove some`},
		{"log", "[log]\nlevel='warning'", `13:1: log.level: "warning" is not one of the values; use ["debug" "info" "warn" "error"]`},
		{"socket", "[status]\nsocket='/" + strings.Repeat("x", 107) + "'", `13:1: status.socket: its path has 108 bytes, over the limit of 107 of unix sockets; name a shorter one, as in /run/intercom/front.sock`},
		{"password", "[network]\npassword='x'", `13:1: network.password: there is no such key; remove it, or use one of: interfaces, stun, turn`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := door + test.text
			if change, ok := strings.CutPrefix(test.text, "-"); ok {
				before, after, _ := strings.Cut(change, "\n+")
				if text = strings.Replace(door, before, after, 1); text == door {
					t.Fatal("the test changes nothing")
				}
			}
			_, err := Parse("f", []byte(text))
			want := "f:" + strings.ReplaceAll(strings.ReplaceAll(test.want, "\nf:", "\n"), "\n", "\nf:")
			if got := fmt.Sprint(err); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestIndoor(t *testing.T) {
	c, err := Parse("f", []byte(indoor))
	if err != nil || len(c.Warnings) != 0 || len(c.Door.OpenUsers) != 0 {
		t.Errorf("got %v, warnings %q", err, c.Warnings)
	}
	c, err = Parse("f", []byte(strings.Replace(indoor, `action = "end"`, `action = "mute"`, 1)))
	want := []string{"f:8:3: button: no button has the action end; without it calls are only handled from elsewhere"}
	if diff := cmp.Diff(want, c.Warnings); diff != "" || err != nil {
		t.Errorf("%v, warnings (-want +got):\n%s", err, diff)
	}
	_, err = Parse("f", []byte(indoor+"[door]\nrelay='strike'"))
	if got, want := fmt.Sprint(err), `f:14:2: door: only a door station has one; remove it, or write kind = "door" in [station]`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWarnings(t *testing.T) {
	c, err := Parse("f", []byte(door+"[door]\nopen_users=[]\n[[lamp]]\nname='l'\nshows='call'\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"f:12:2: door: no relay is named; the door can not be opened",
		"f:13:1: door.open_users: is empty; nobody can open the door",
	}
	if diff := cmp.Diff(want, c.Warnings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(c.Door.OpenUsers) != 0 {
		t.Errorf("%q may open, although the file says nobody", c.Door.OpenUsers)
	}
}

// TestGroup: who may open and listen is everyone whom a button rings.
func TestGroup(t *testing.T) {
	c, err := Parse("f", []byte(door+"[[button]]\nname='all'\naction='call'\ncallees=['flat-2','flat-1']\nfall_through_after='20s'\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"flat-1", "flat-2"}
	for what, got := range map[string][]string{"open": c.Door.OpenUsers, "listen": c.Door.ListenUsers} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s users (-want +got):\n%s", what, diff)
		}
	}
	for i, want := range [][]string{{"flat-1"}, {"flat-2", "flat-1"}} {
		if diff := cmp.Diff(want, c.Buttons[i].Users()); diff != "" {
			t.Errorf("button %d rings (-want +got):\n%s", i, diff)
		}
	}
}

func TestQuietHours(t *testing.T) {
	tests := []struct {
		hours []string
		in    []string
		out   []string
	}{
		{nil, nil, []string{"00:00", "12:00"}},
		{[]string{"13:00-14:30"}, []string{"13:00", "14:29"}, []string{"12:59", "14:30", "01:30"}},
		{[]string{"22:00-07:00"}, []string{"22:00", "23:59", "00:00", "06:59"}, []string{"07:00", "21:59"}},
		{[]string{"00:00-24:00"}, []string{"00:00", "12:00", "23:59"}, nil},
		{[]string{"13:00-14:00", "20:00-06:00"}, []string{"13:30", "05:00"}, []string{"15:00"}},
	}
	for _, tt := range tests {
		for _, at := range append(tt.in, tt.out...) {
			when, err := time.Parse("15:04", at)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := (Quiet{Hours: tt.hours}).In(when), slices.Contains(tt.in, at); got != want {
				t.Errorf("%v at %s: %v", tt.hours, at, got)
			}
		}
	}
	c, err := Parse("f", []byte(door+"[quiet]\nhours=['22:00-07:00']\n"))
	if err != nil || len(c.Warnings) != 2 || !strings.Contains(c.Warnings[0]+c.Warnings[1], "quiet: does nothing at a door") {
		t.Errorf("%v, warnings %q", err, c.Warnings)
	}
}

// TestShortRing takes a ring time below the defaults of what depends on it.
func TestShortRing(t *testing.T) {
	c, err := Parse("f", []byte(door+"[call]\nring_time = '5s'\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Call.UnreachableLimit != 5*time.Second || c.Call.UnreachableAfter != 2*time.Second {
		t.Errorf("got %+v", c.Call)
	}
}

func TestPaths(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "front.toml")
	text := strings.Replace(door, "mqtt://localhost", "mqtts://[::1]", 1) + "[identity]\nkey = '/keys/a'\ntoken = 'b'\n[[network.turn]]\nurl='turns:h?transport=tcp'\nusername='u'\npassword_file='p'\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.Identity.Key, c.Identity.Token, c.Network.TURN[0].PasswordFile, c.Broker.URL}
	want := []string{"/keys/a", filepath.Join(dir, "b"), filepath.Join(dir, "p"), "mqtts://[::1]:8883"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := Load(filepath.Join(dir, "none.toml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
}

func TestErrorf(t *testing.T) {
	c, err := Parse("f", []byte(door))
	if err != nil {
		t.Fatal(err)
	}
	err = c.Errorf("button[0].name", "no line %q", "x")
	if got, want := err.Error(), `f:9:1: button[0].name: no line "x"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := (&Config{}).Pos("button"); got != (Position{}) {
		t.Errorf("a Config without a file has %v", got)
	}
}

// FuzzParse holds that what is accepted keeps the promises of the fields.
func FuzzParse(f *testing.F) {
	f.Add(door)
	f.Add(indoor)
	if data, err := os.ReadFile("sample.toml"); err == nil {
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("f", []byte(text))
		if (c == nil) == (err == nil) {
			t.Fatalf("%v, %v", c, err)
		}
		if err != nil {
			var p *Problems
			if !errors.As(err, &p) || len(p.List) == 0 || len(p.List) > 20 {
				t.Fatalf("error %v", err)
			}
			return
		}
		for _, id := range []string{c.Station.Name, c.Station.Service, c.Station.User, c.Board.Profile} {
			if !idPattern.MatchString(id) {
				t.Fatalf("id %q", id)
			}
		}
		if c.Call.RingTime < 5*time.Second || c.Call.UnreachableLimit > c.Call.RingTime || c.Call.UnreachableAfter > c.Call.UnreachableLimit {
			t.Fatalf("call %+v", c.Call)
		}
		if c.Station.Kind == Indoor && c.Door.Relay != "" {
			t.Fatal("an indoor station with a relay")
		}
		for _, b := range c.Buttons {
			if calls := b.Action == ActionCall || b.LongPress == ActionCall; calls != (len(b.Users()) > 0) || slices.Contains(b.Users(), c.Station.User) {
				t.Fatalf("button %+v", b)
			}
		}
	})
}
