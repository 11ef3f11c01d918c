package config

import "time"

// Kind says what a station is.
type Kind string

// The kinds of station.
const (
	Door   Kind = "door"
	Indoor Kind = "indoor"
)

// Action is what a button does.
type Action string

// The actions of a button.
const (
	ActionCall       Action = "call" // rings Button.Users
	ActionAccept     Action = "accept"
	ActionEnd        Action = "end"     // declines or ends what is in front
	ActionDecline    Action = "decline" // declines what rings, also behind a talk, and ends nothing else
	ActionMute       Action = "mute"
	ActionOpen       Action = "open"
	ActionVolumeUp   Action = "volume-up"
	ActionVolumeDown Action = "volume-down"
	ActionRingerMute Action = "ringer-mute"    // it rings by its lamp
	ActionQuiet      Action = "do-not-disturb" // it does not ring
)

// Shows is what a lamp is for.
type Shows string

// What a lamp can show.
const (
	ShowsCall   Shows = "call"
	ShowsMute   Shows = "mute"
	ShowsOpen   Shows = "open"
	ShowsFault  Shows = "fault"
	ShowsRinger Shows = "ringer"
)

// RelayType says what ends an opening if the program does not.
type RelayType string

// The types of relay.
const (
	RelayLevel RelayType = "level" // nothing: it is on as long as its line is
	RelayPulse RelayType = "pulse" // a timer in the relay itself, whatever its line does
)

// Config is one station's configuration. All paths in it are absolute, or
// relative to the working directory as the file's own path was.
type Config struct {
	Station  Station  `toml:"station"`
	Identity Identity `toml:"identity"`
	Broker   Broker   `toml:"broker"`
	Board    Board    `toml:"board"`
	Buttons  []Button `toml:"button"`
	Lamps    []Lamp   `toml:"lamp"`
	Door     DoorLock `toml:"door"`
	Call     Call     `toml:"call"`
	Quiet    Quiet    `toml:"quiet"`
	Sound    Sound    `toml:"sound"`
	Network  Network  `toml:"network"`
	Log      Log      `toml:"log"`
	Status   Status   `toml:"status"`

	// Warnings are what is allowed but hardly meant, in the form of the errors.
	Warnings []string `toml:"-"`

	doc source
}

// Station says who this station is.
type Station struct {
	Kind     Kind   `toml:"kind"`      // required
	Name     string `toml:"name"`      // device id; required
	Service  string `toml:"service"`   // service id; required
	User     string `toml:"user"`      // user id that it acts for; required
	StateDir string `toml:"state_dir"` // last calls and clock floor; default "state" beside the file
}

// Identity is where this device's keys are.
type Identity struct {
	Key       string `toml:"key"`       // private key of the device; default "device.key" beside the file
	Token     string `toml:"token"`     // its access token; default "device.token"
	Authority string `toml:"authority"` // public key of the service's authority; default "authority.pub"
}

// Broker is the MQTT broker.
type Broker struct {
	URL            string        `toml:"url"`             // mqtt://host:port or mqtts://host:port, always with the port once read (1883, 8883); required
	CA             string        `toml:"ca"`              // certificates to trust, PEM, mqtts only; default: the system's
	KeepAlive      time.Duration `toml:"keep_alive"`      // whole seconds, 1 s to 60 s; default 2 s
	ConnectTimeout time.Duration `toml:"connect_timeout"` // 1 s to 60 s; default 5 s
}

// Board is the hardware.
type Board struct {
	Profile    string    `toml:"profile"`     // name of a board profile, or "auto" for the machine's own; default "simulated"
	Sound      string    `toml:"sound"`       // name of a sound choice; default the profile's
	ProfileDir string    `toml:"profile_dir"` // folder with more profiles and sound choices; default none
	Simulated  Simulated `toml:"simulated"`
	// The device that resets the board when this program hangs; default none. It is fed while the station works.
	Watchdog        string        `toml:"watchdog"`
	WatchdogTimeout time.Duration `toml:"watchdog_timeout"` // whole seconds, 2 s to 60 s; default 10 s
}

// Simulated belongs to the profile "simulated" only.
type Simulated struct {
	Socket  string  `toml:"socket"`   // unix socket to press and to listen; default state_dir/board.sock
	RatePPM float64 `toml:"rate_ppm"` // how much faster its sound clock runs, -500 to 500 ppm; default 0
}

// Button is one button that is used.
type Button struct {
	Name      string `toml:"name"`       // line name in the profile; required
	Action    Action `toml:"action"`     // on press; required
	Callee    string `toml:"callee"`     // user id; this or Callees is required with the action call, refused without
	LongPress Action `toml:"long_press"` // also, after one second; default none

	Callees []string `toml:"callees"` // several users, 2 to 16
	// FallThroughAfter is how long after one of Callees the next rings too; 5 s
	// to 10 min; default 0: all ring at once.
	FallThroughAfter time.Duration `toml:"fall_through_after"`
}

// Users are those whom the button rings, in their order.
func (b Button) Users() []string {
	if b.Callee != "" {
		return []string{b.Callee}
	}
	return b.Callees
}

// Lamp is one lamp that is used.
type Lamp struct {
	Name  string `toml:"name"`  // line name in the profile; required
	Shows Shows  `toml:"shows"` // required
}

// DoorLock is the opener of a door station. Whether the profile's relay allows
// OpenTime is checked against the profile, not here.
type DoorLock struct {
	Relay     string        `toml:"relay"`      // line name in the profile; default none: the door can not be opened
	RelayType RelayType     `toml:"relay_type"` // default "level"
	OpenTime  time.Duration `toml:"open_time"`  // 100 ms to 1 min; default 3 s
	OpenUsers []string      `toml:"open_users"` // who may open; default the callees of the buttons
	// ListenUsers may call this door, which answers by itself; default the callees of the buttons.
	ListenUsers []string `toml:"listen_users"`
}

// Call is how calls behave.
type Call struct {
	RingTime         time.Duration `toml:"ring_time"`         // 5 s to 10 min; default 60 s
	UnreachableAfter time.Duration `toml:"unreachable_after"` // the visitor learns that nobody rings yet; 500 ms to unreachable_limit; default 2 s
	UnreachableLimit time.Duration `toml:"unreachable_limit"` // then the call is given up; up to ring_time; default 10 s
	TalkLimit        time.Duration `toml:"talk_limit"`        // 10 s to 24 h, or 0 for none; default 0
	SameButton       string        `toml:"same_button"`       // the same button again, at a door in a call: "feedback" (default) or "end"
	OtherButton      string        `toml:"other_button"`      // another one: "switch" (default; end, and ring anew) or "feedback"
	CallWaiting      bool          `toml:"call_waiting"`      // default true
	AcceptWaiting    string        `toml:"accept_waiting"`    // accepting a second call does this to the first: "hold" (default) or "end"
	DeclineScope     string        `toml:"decline_scope"`     // a decline ends the call for the "user" (default) or the "device"
}

// Sound is the sound of this station.
type Sound struct {
	Volume       int           `toml:"volume"`        // talk and tones, 0 to 100; default 70
	RingerVolume int           `toml:"ringer_volume"` // 0 to 100; default 80
	Frame        time.Duration `toml:"frame"`         // 10 ms (default) or 20 ms
	Bitrate      int           `toml:"bitrate"`       // 24000 to 96000 bit/s; default 32000
	Card         string        `toml:"card"`          // ALSA card id or USB port ("usb:1-1.2"), instead of the profile's; default the profile's
	MessagesDir  string        `toml:"messages_dir"`  // folder of spoken messages, instead of tones; default none
}

// Network is how voice finds its way. All of it may be left out on one LAN.
type Network struct {
	STUN       []string `toml:"stun"`       // stun:host:port; default none
	TURN       []TURN   `toml:"turn"`       // relays; default none
	Interfaces []string `toml:"interfaces"` // network interfaces to use; default all
}

// TURN is one relay server.
type TURN struct {
	URL          string `toml:"url"`           // turn:host:port or turns:host:port, ?transport=tcp allowed; required
	Username     string `toml:"username"`      // required
	PasswordFile string `toml:"password_file"` // file whose first line is the password; required
}

// Log is what is written to standard error.
type Log struct {
	Level  string `toml:"level"`  // debug, info, warn (default) or error
	Format string `toml:"format"` // text (default) or json
}

// Status is where the station answers questions about itself.
type Status struct {
	Socket string `toml:"socket"` // unix socket; default state_dir/status.sock
}

// defaults returns what holds for keys that a file does not name. Paths and
// those that follow from other keys are filled in by resolve.
func defaults() *Config {
	return &Config{
		Station:  Station{StateDir: "state"},
		Identity: Identity{Key: "device.key", Token: "device.token", Authority: "authority.pub"},
		Broker:   Broker{KeepAlive: 2 * time.Second, ConnectTimeout: 5 * time.Second},
		Board:    Board{Profile: profileSimulated, WatchdogTimeout: 10 * time.Second},
		Door:     DoorLock{OpenTime: 3 * time.Second, RelayType: RelayLevel},
		Call: Call{
			RingTime:         time.Minute,
			UnreachableAfter: 2 * time.Second,
			UnreachableLimit: 10 * time.Second,
			SameButton:       "feedback",
			OtherButton:      "switch",
			CallWaiting:      true,
			AcceptWaiting:    "hold",
			DeclineScope:     "user",
		},
		Sound: Sound{Volume: 70, RingerVolume: 80, Frame: 10 * time.Millisecond, Bitrate: 32000},
		Log:   Log{Level: "warn", Format: "text"},
	}
}
