package connect

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"go.temporal.io/server/common/log"

	"auroral/server/internal/settings"
)

// LoadAWS finds credentials and region as every AWS SDK does. The cluster's region stands in where no other is told.
func LoadAWS(ctx context.Context, s settings.Settings) (aws.Config, error) {
	found, err := config.LoadDefaultConfig(ctx, config.WithDefaultRegion(s.Region))
	if err != nil {
		return aws.Config{}, fmt.Errorf("cannot read the AWS configuration: %w", err)
	}
	return found, nil
}

// GateOf makes the one gate of a process from its settings.
func GateOf(s settings.Settings, found aws.Config, observer Observer, logger log.Logger) *Gate {
	options := GateOptions{
		RatePerS: s.RatePerS, Burst: s.Burst, Stagger: s.Stagger, StaggerMaxDelay: s.StaggerMaxDelay, Observer: observer, Logger: logger,
	}
	if s.Counter {
		options.Shared = NewCounter(dynamodb.NewFromConfig(found), s.CounterTable, s.Endpoint, s.CounterLimit)
	}
	return NewGate(options)
}

// DialerOf makes a dialer from a process's settings. The application's name is told to DSQL.
func DialerOf(s settings.Settings, found aws.Config, gate *Gate, application string, observer Observer) (*Dialer, error) {
	return New(Options{
		Endpoint: s.Endpoint, Port: s.Port, HostAddress: s.HostAddress, Database: s.Database, User: s.User, Admin: s.Admin(), Region: s.Region,
		CAFile: s.CAFile, Application: application, ConnectTimeout: s.ConnectTimeout, Credentials: found.Credentials, Gate: gate, Observer: observer,
	})
}
