package connect

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

type updaterFunc func(*dynamodb.UpdateItemInput) error

func (f updaterFunc) UpdateItem(_ context.Context, input *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return &dynamodb.UpdateItemOutput{}, f(input)
}

func TestCounterTellsFullFromUnknown(t *testing.T) {
	throttled := &types.ProvisionedThroughputExceededException{}
	for about, c := range map[string]struct {
		answer, err error
		taken       bool
	}{
		"counted":   {nil, nil, true},
		"full":      {&types.ConditionalCheckFailedException{}, nil, false},
		"throttled": {throttled, throttled, false},
		"away":      {context.DeadlineExceeded, context.DeadlineExceeded, false},
	} {
		counter := NewCounter(updaterFunc(func(*dynamodb.UpdateItemInput) error { return c.answer }), "limits", "e", 100)
		taken, err := counter.Take(t.Context(), 1)
		if taken != c.taken || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, %v", about, taken, err)
		}
		if c.err != nil && !strings.Contains(err.Error(), "DynamoDB table limits") {
			t.Errorf("%s: %v does not name the table", about, err)
		}
	}
}

func TestCounterWritesKeyAndTimeToLive(t *testing.T) {
	counter := NewCounter(updaterFunc(func(input *dynamodb.UpdateItemInput) error {
		key, _ := input.Key["pk"].(*types.AttributeValueMemberS)
		ttl, _ := input.ExpressionAttributeValues[":ttl"].(*types.AttributeValueMemberN)
		limit, _ := input.ExpressionAttributeValues[":limit"].(*types.AttributeValueMemberN)
		if *input.TableName != "limits" || key.Value != "dsqlconnect#abc#1764000000" || ttl.Value != "1764000180" || limit.Value != "80" {
			t.Errorf("%+v", input)
		}
		return nil
	}), "limits", "abc", 80)
	if taken, err := counter.Take(t.Context(), 1764000000); !taken || err != nil {
		t.Fatal(taken, err)
	}
}
