package host

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/common/rpc/encryption"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// healthNames are the names under which each role tells its health (service/<role> of the server). The frontend's name is
// also that of the internal frontend.
var healthNames = map[primitives.ServiceName]string{
	primitives.FrontendService:         "temporal.api.workflowservice.v1.WorkflowService",
	primitives.InternalFrontendService: "temporal.api.workflowservice.v1.WorkflowService",
	primitives.HistoryService:          "temporal.api.workflowservice.v1.HistoryService",
	primitives.MatchingService:         "temporal.api.workflowservice.v1.MatchingService",
	primitives.WorkerService:           "temporal.api.workflowservice.v1.WorkerService",
}

// Health asks one role of this task for its health, on its own port, with the TLS that the configuration asks for.
func Health(ctx context.Context, cfg *config.Config, service string) error {
	role, name := primitives.ServiceName(service), healthNames[primitives.ServiceName(service)]
	here, ok := cfg.Services[service]
	if name == "" || !ok {
		return fmt.Errorf("%s is not a service of this configuration", service)
	}
	target := healthTarget(here.RPC)
	channel, err := channelCredentials(cfg, role)
	if err != nil {
		return err
	}
	connection, err := grpc.NewClient("passthrough:///"+target, grpc.WithTransportCredentials(channel))
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	answer, err := healthpb.NewHealthClient(connection).Check(ctx, &healthpb.HealthCheckRequest{Service: name})
	if err != nil {
		return fmt.Errorf("%s at %s: %w", service, target, err)
	}
	if answer.Status != healthpb.HealthCheckResponse_SERVING {
		return fmt.Errorf("%s at %s is %s", service, target, answer.Status)
	}
	return nil
}

func healthTarget(rpc config.RPC) string {
	ip := "127.0.0.1"
	if bind, err := netip.ParseAddr(rpc.BindOnIP); err == nil && !bind.IsUnspecified() {
		ip = bind.String()
	}
	return net.JoinHostPort(ip, strconv.Itoa(rpc.GRPCPort))
}

func channelCredentials(cfg *config.Config, role primitives.ServiceName) (credentials.TransportCredentials, error) {
	provider, err := encryption.NewTLSConfigProviderFromConfig(cfg.Global.TLS, metrics.NoopMetricsHandler, log.NewNoopLogger(), nil)
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	var settings *tls.Config
	enabled := cfg.Global.TLS.Internode.IsServerEnabled()
	if role == primitives.FrontendService {
		enabled = cfg.Global.TLS.Frontend.IsServerEnabled()
		settings, err = provider.GetFrontendClientConfig()
	} else {
		settings, err = provider.GetInternodeClientConfig()
	}
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	switch {
	case !enabled:
		return insecure.NewCredentials(), nil
	case settings == nil:
		// The server shows a certificate, but no authority is set to check it with: the system's.
		settings = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return credentials.NewTLS(settings), nil
}
