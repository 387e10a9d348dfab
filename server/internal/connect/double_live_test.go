//go:build live

package connect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/jackc/pgx/v5/stdlib"

	"auroral/server/internal/session"
)

// announcement is what `python -m auroral.local.double` prints when it is ready.
type announcement struct {
	Host      string `json:"host"`
	Port      int    `json:"port"`
	Endpoint  string `json:"endpoint"`
	Region    string `json:"region"`
	CAFile    string `json:"ca_file"`
	Control   string `json:"control_url"`
	AccessKey string `json:"access_key_id"`
	SecretKey string `json:"secret_access_key"`
}

// set changes what the double enforces, until the test ends.
func (a announcement) set(t *testing.T, now, afterwards string) {
	t.Helper()
	send := func(settings string) {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodPatch, a.Control+"/settings", bytes.NewBufferString(settings))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", settings, answer.Status)
		}
	}
	send(now)
	t.Cleanup(func() { send(afterwards) })
}

func double(t *testing.T) (announcement, func(change func(*Options)) *Dialer) {
	t.Helper()
	given := os.Getenv("AURORAL_TEST_DOUBLE")
	if given == "" {
		t.Fatal("AURORAL_TEST_DOUBLE is not set; expected the line of JSON that `python -m auroral.local.double` prints")
	}
	var a announcement
	if err := json.Unmarshal([]byte(given), &a); err != nil {
		t.Fatal(err)
	}
	return a, func(change func(*Options)) *Dialer {
		options := Options{
			Endpoint: a.Endpoint, Port: a.Port, HostAddress: a.Host, Database: "postgres", User: "admin", Admin: true, Region: a.Region, CAFile: a.CAFile,
			Application: "auroral-server test", ConnectTimeout: 10 * time.Second, Gate: NewGate(GateOptions{RatePerS: 1000, Burst: 1000}),
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: a.AccessKey, SecretAccessKey: a.SecretKey}, nil
			}),
		}
		if change != nil {
			change(&options)
		}
		d, err := New(options)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
}

func TestLiveDoubleTakesTheToken(t *testing.T) {
	_, dialer := double(t)
	conn, err := dialer(nil).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var answer int
	if err := conn.(*stdlib.Conn).Conn().QueryRow(t.Context(), "SELECT 42").Scan(&answer); err != nil || answer != 42 {
		t.Error(answer, err)
	}
}

func TestLiveDoubleRefuses(t *testing.T) {
	a, dialer := double(t)
	for about, c := range map[string]struct {
		change func(*Options)
		want   session.Reason
	}{
		"a role's token for the administrator": {func(o *Options) { o.Admin = false }, session.Denied},
		"a role that is not there":             {func(o *Options) { o.User, o.Admin = "nobody", false }, session.Denied},
		"another region's token":               {func(o *Options) { o.Region = "eu-central-1" }, session.Denied},
		"unknown credentials":                  {func(o *Options) { o.Credentials = credentialsUntil(0) }, session.Denied},
	} {
		if err := refusal(t, dialer(c.change)); err.Reason != c.want {
			t.Errorf("%s: %v", about, err)
		}
	}
	a.set(t, `{"max_connections": 0}`, `{"max_connections": 10000}`)
	if err := refusal(t, dialer(nil)); err.Reason != session.TooMany {
		t.Error(err)
	}
}

// The gate keeps below what the double takes; without it the double refuses.
func TestLiveDoubleRefusesWhatIsTooFast(t *testing.T) {
	a, dialer := double(t)
	a.set(t, `{"connect_rate_per_s": 5, "connect_burst": 3}`, `{"connect_rate_per_s": 100, "connect_burst": 1000}`)
	open := func(d *Dialer, n int) (refused int) {
		for range n {
			conn, err := d.Open(t.Context())
			if err == nil {
				_ = conn.Close()
				continue
			}
			refusal := (*session.RefusedError)(nil)
			if !errors.As(err, &refusal) || refusal.Reason != session.TooFast {
				t.Fatal(err)
			}
			refused++
		}
		return refused
	}
	// A burst of one of three: the tests before may have left the bucket below full.
	if refused := open(dialer(func(o *Options) { o.Gate = NewGate(GateOptions{RatePerS: 4, Burst: 1}) }), 10); refused != 0 {
		t.Errorf("%d refused behind the gate", refused)
	}
	if refused := open(dialer(nil), 10); refused == 0 {
		t.Error("none refused without it: this shows nothing")
	}
}
