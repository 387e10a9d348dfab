package connect

import (
	"strings"
	"testing"
	"time"

	"auroral/server/internal/settings"
)

// The settings of a process, the SDK's own variables for credentials, and what a server then sees.
func TestSettingsReachTheServer(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDSETUP", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		t.Setenv(name, value)
	}
	for user, action := range map[string]string{"temporal_server": "Action=DbConnect&", "admin": "Action=DbConnectAdmin&"} {
		server := serve(t, testEndpoint, welcome)
		s := settings.Settings{
			Endpoint: testEndpoint, Port: server.port, HostAddress: "127.0.0.1", Database: "postgres", User: user, Region: "eu-west-1", CAFile: server.caFile,
			ConnectTimeout: 5 * time.Second, RatePerS: 10, Burst: 1,
		}
		found, err := LoadAWS(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if found.Region != "eu-west-1" {
			t.Errorf("region %q: the cluster's stands in where none is told", found.Region)
		}
		d, err := DialerOf(s, found, GateOf(s, found, nil, nil), "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := d.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		server.mu.Lock()
		if got := server.passwords[0]; !strings.Contains(got, action) || !strings.Contains(got, "AKIDSETUP") || server.startups[0]["user"] != user {
			t.Errorf("%s: %s", user, got)
		}
		server.mu.Unlock()
	}
}

func TestACounterOnlyWhereItIsOn(t *testing.T) {
	s := settings.Settings{Endpoint: testEndpoint, Region: "eu-west-1", RatePerS: 1, Burst: 1, CounterTable: "limits", CounterLimit: 100}
	found, err := LoadAWS(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if GateOf(s, found, nil, nil).options.Shared != nil {
		t.Error("a counter although it is off")
	}
	s.Counter = true
	counter, ok := GateOf(s, found, nil, nil).options.Shared.(*Counter)
	if !ok || counter.table != "limits" || counter.endpoint != testEndpoint || counter.limit != 100 {
		t.Errorf("%+v", counter)
	}
}
