package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Origin says where the broadcast address comes from.
type Origin string

// The origins, in the order in which they are asked.
const (
	FromVariable  Origin = "TEMPORAL_BROADCAST_ADDRESS"
	FromECS       Origin = "ECS task metadata"
	FromBind      Origin = "BIND_ON_IP"
	FromInterface Origin = "network interface"
)

// AddressFacts is what is known of the addresses of this process.
type AddressFacts struct {
	Given       string       // TEMPORAL_BROADCAST_ADDRESS
	Metadata    string       // the task's address, or "" where there is no metadata endpoint
	MetadataErr error        // why the endpoint gave none
	Bind        string       // BIND_ON_IP
	Interfaces  []netip.Addr // of this machine, in the system's order
}

// Address is the address that peers are told, and how it was found.
type Address struct {
	IP     string
	Origin Origin
	Text   string // for the log
	Doubt  bool   // the better source failed, or peers may not reach it
}

// ChooseAddress picks the address that peers are told. Pure.
func ChooseAddress(f AddressFacts) (Address, error) {
	if f.Given != "" {
		if _, err := netip.ParseAddr(f.Given); err != nil {
			return Address{}, fmt.Errorf("TEMPORAL_BROADCAST_ADDRESS: an IP address was expected, not %q", f.Given)
		}
		return Address{IP: f.Given, Origin: FromVariable, Text: "Broadcast address taken from TEMPORAL_BROADCAST_ADDRESS"}, nil
	}
	if f.Metadata != "" {
		return Address{IP: f.Metadata, Origin: FromECS, Text: "Detected ECS task IP from metadata"}, nil
	}
	why := "no ECS task metadata"
	if f.MetadataErr != nil {
		why = fmt.Sprintf("the ECS task metadata gave no address (%v)", f.MetadataErr)
	}
	doubt := f.MetadataErr != nil
	bind, err := netip.ParseAddr(f.Bind)
	if err == nil && !bind.IsUnspecified() {
		return Address{IP: bind.String(), Origin: FromBind, Text: "Broadcast address is the bind address: " + why, Doubt: doubt}, nil
	}
	for _, ip := range f.Interfaces {
		if ip = ip.Unmap(); ip.Is4() && ip.IsPrivate() {
			return Address{IP: ip.String(), Origin: FromInterface, Text: "Broadcast address is the first private one of this machine: " + why, Doubt: doubt}, nil
		}
	}
	text := "Broadcast address is the loopback one, which only this machine reaches: " + why + ", and no interface has a private address"
	return Address{IP: "127.0.0.1", Origin: FromBind, Text: text, Doubt: true}, nil
}

// Metadata asks an ECS task metadata endpoint (version 4) for the task's own address.
type Metadata struct {
	URI     string // ECS_CONTAINER_METADATA_URI_V4
	Client  *http.Client
	Tries   int
	Timeout time.Duration                              // of one try
	Pause   time.Duration                              // before the second try; doubled after each
	Wait    func(context.Context, time.Duration) error // sleeps
}

const answerBytes = 1 << 20

// NewMetadata gives the usual bounds: five tries of two seconds, with 3 seconds of pauses between them.
func NewMetadata(uri string) Metadata {
	return Metadata{URI: uri, Client: http.DefaultClient, Tries: 5, Timeout: 2 * time.Second, Pause: 200 * time.Millisecond, Wait: sleep}
}

// TaskIP gives the address of the task's own network interface (network mode awsvpc).
func (m Metadata) TaskIP(ctx context.Context) (string, error) {
	var last error
	pause := m.Pause
	for try := range m.Tries {
		if try > 0 {
			if err := m.Wait(ctx, pause); err != nil {
				return "", err
			}
			pause *= 2
		}
		body, err := m.get(ctx)
		if err == nil {
			return taskIP(body)
		}
		last = err
	}
	return "", fmt.Errorf("after %d tries: %w", m.Tries, last)
}

func (m Metadata) get(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(m.URI, "/")+"/task", http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := m.Client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerBytes))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", request.URL, response.Status)
	}
	return body, nil
}

// taskIP reads the task's document: every container of a task shares its interface. Pure.
func taskIP(document []byte) (string, error) {
	var task struct {
		Containers []struct {
			Networks []struct {
				NetworkMode   string
				IPv4Addresses []string
				IPv6Addresses []string
			}
		}
	}
	if err := json.Unmarshal(document, &task); err != nil {
		return "", fmt.Errorf("not the JSON of a task: %w", err)
	}
	var modes, six []string
	for _, container := range task.Containers {
		for _, network := range container.Networks {
			if network.NetworkMode != "awsvpc" {
				modes = append(modes, network.NetworkMode)
				continue
			}
			for _, address := range network.IPv4Addresses {
				if ip, err := netip.ParseAddr(address); err == nil && ip.Is4() {
					return ip.String(), nil
				}
			}
			six = append(six, network.IPv6Addresses...)
		}
	}
	for _, address := range six {
		if ip, err := netip.ParseAddr(address); err == nil {
			return ip.String(), nil
		}
	}
	if len(modes) > 0 {
		return "", fmt.Errorf("network mode awsvpc was expected, not %s", strings.Join(modes, ", "))
	}
	return "", errors.New("it names no network interface")
}

// interfaces lists this machine's addresses, those of interfaces that are up.
func interfaces() []netip.Addr {
	var addresses []netip.Addr
	found, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, one := range found {
		if one.Flags&net.FlagUp == 0 || one.Flags&net.FlagLoopback != 0 {
			continue
		}
		assigned, err := one.Addrs()
		if err != nil {
			continue
		}
		for _, address := range assigned {
			if prefix, err := netip.ParsePrefix(address.String()); err == nil {
				addresses = append(addresses, prefix.Addr())
			}
		}
	}
	return addresses
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
