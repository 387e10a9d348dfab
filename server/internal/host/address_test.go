package host

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const taskDocument = `{"Cluster":"c","TaskARN":"arn","Containers":[
  {"Name":"proxy","Networks":[{"NetworkMode":"awsvpc","IPv4Addresses":["10.0.3.7"],"IPv6Addresses":["fd00::7"]}]},
  {"Name":"history","Networks":[{"NetworkMode":"awsvpc","IPv4Addresses":["10.0.3.7"]}]}]}`

func TestChooseAddress(t *testing.T) {
	private := []netip.Addr{netip.MustParseAddr("fe80::1"), netip.MustParseAddr("169.254.172.2"), netip.MustParseAddr("54.1.2.3"), netip.MustParseAddr("172.31.0.9"), netip.MustParseAddr("10.0.0.1")}
	failed := errors.New("no route")
	for name, want := range map[string]struct {
		facts  AddressFacts
		ip     string
		origin Origin
		doubt  bool
	}{
		"the variable wins":                      {AddressFacts{Given: "10.9.9.9", Metadata: "10.0.3.7", Bind: "0.0.0.0"}, "10.9.9.9", FromVariable, false},
		"then the metadata":                      {AddressFacts{Metadata: "10.0.3.7", Bind: "127.0.0.1", Interfaces: private}, "10.0.3.7", FromECS, false},
		"then a bind address that is one":        {AddressFacts{Bind: "127.0.0.1", Interfaces: private}, "127.0.0.1", FromBind, false},
		"then the first private one":             {AddressFacts{Bind: "0.0.0.0", Interfaces: private}, "172.31.0.9", FromInterface, false},
		"the same for every IPv6 address":        {AddressFacts{Bind: "::", Interfaces: private}, "172.31.0.9", FromInterface, false},
		"doubtful where the metadata failed":     {AddressFacts{MetadataErr: failed, Bind: "0.0.0.0", Interfaces: private}, "172.31.0.9", FromInterface, true},
		"loopback at last, which is told":        {AddressFacts{Bind: "0.0.0.0"}, "127.0.0.1", FromBind, true},
		"a public address is not for membership": {AddressFacts{Bind: "0.0.0.0", Interfaces: private[2:3]}, "127.0.0.1", FromBind, true},
	} {
		t.Run(name, func(t *testing.T) {
			address, err := ChooseAddress(want.facts)
			require.NoError(t, err)
			require.Equal(t, want.ip, address.IP)
			require.Equal(t, want.origin, address.Origin)
			require.Equal(t, want.doubt, address.Doubt)
			require.NotEmpty(t, address.Text)
		})
	}
	_, err := ChooseAddress(AddressFacts{Given: "history.local"})
	require.ErrorContains(t, err, "TEMPORAL_BROADCAST_ADDRESS")
	address, err := ChooseAddress(AddressFacts{MetadataErr: failed, Bind: "0.0.0.0", Interfaces: private})
	require.NoError(t, err)
	require.Contains(t, address.Text, "no route")
	address, err = ChooseAddress(AddressFacts{Metadata: "10.0.3.7"})
	require.NoError(t, err)
	require.Equal(t, "Detected ECS task IP from metadata", address.Text, "operators search for this line")
}

func TestTaskIP(t *testing.T) {
	for document, want := range map[string]string{
		taskDocument: "10.0.3.7",
		`{"Containers":[{"Networks":[{"NetworkMode":"awsvpc","IPv6Addresses":["fd00::7"]}]}]}`: "fd00::7",
	} {
		ip, err := taskIP([]byte(document))
		require.NoError(t, err)
		require.Equal(t, want, ip)
	}
	for document, text := range map[string]string{
		`{"Containers":[{"Networks":[{"NetworkMode":"bridge","IPv4Addresses":["172.17.0.2"]}]}]}`: "awsvpc was expected, not bridge",
		`{"Containers":[]}`: "no network interface",
		`<html>`:            "not the JSON",
		`{"Containers":[{"Networks":[{"NetworkMode":"awsvpc","IPv4Addresses":["elsewhere"]}]}]}`: "no network interface",
	} {
		_, err := taskIP([]byte(document))
		require.ErrorContains(t, err, text)
	}
}

func metadataOf(uri string, waits *[]time.Duration) Metadata {
	m := NewMetadata(uri)
	m.Wait = func(_ context.Context, d time.Duration) error { *waits = append(*waits, d); return nil }
	return m
}

func TestTheMetadataEndpointIsAskedAgain(t *testing.T) {
	asked := 0
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		require.Equal(t, "/v4/abc/task", r.URL.Path)
		if asked < 3 {
			http.Error(w, "not yet", http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(taskDocument))
	}))
	defer endpoint.Close()
	var waits []time.Duration
	ip, err := metadataOf(endpoint.URL+"/v4/abc/", &waits).TaskIP(context.Background())
	require.NoError(t, err)
	require.Equal(t, "10.0.3.7", ip)
	require.Equal(t, []time.Duration{200 * time.Millisecond, 400 * time.Millisecond}, waits)
}

func TestTheMetadataEndpointIsGivenUp(t *testing.T) {
	asked := 0
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		http.Error(w, "never", http.StatusInternalServerError)
	}))
	defer endpoint.Close()
	var waits []time.Duration
	_, err := metadataOf(endpoint.URL, &waits).TaskIP(context.Background())
	require.ErrorContains(t, err, "after 5 tries")
	require.ErrorContains(t, err, "500")
	require.Equal(t, 5, asked)
	require.Len(t, waits, 4)
}

func TestASilentMetadataEndpointIsCutOff(t *testing.T) {
	release := make(chan struct{})
	endpoint := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer endpoint.Close()
	defer close(release)
	var waits []time.Duration
	m := metadataOf(endpoint.URL, &waits)
	m.Timeout, m.Tries = time.Millisecond, 2
	_, err := m.TaskIP(context.Background())
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
