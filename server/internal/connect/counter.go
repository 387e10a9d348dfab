package connect

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"auroral/server/internal/policy"
)

// Updater is the one call of DynamoDB's client that the counter makes.
type Updater interface {
	UpdateItem(ctx context.Context, input *dynamodb.UpdateItemInput, options ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
}

// Counter counts the openings of all processes, one item a second, in a table with the partition key pk (a string) and the TTL attribute ttl_epoch.
type Counter struct {
	client   Updater
	table    string
	endpoint string
	limit    int // openings a second
}

// NewCounter makes a counter for the cluster at an endpoint.
func NewCounter(client Updater, table, endpoint string, limit int) *Counter {
	return &Counter{client: client, table: table, endpoint: endpoint, limit: limit}
}

var _ SharedLimit = (*Counter)(nil)

// Take counts one opening in a second, or returns false where the limit is reached. Where an answer was lost, the opening may have been counted all the same:
// the second then holds less than it could, never more.
func (c *Counter) Take(ctx context.Context, unixSecond int64) (bool, error) {
	number := func(n int64) types.AttributeValue {
		return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
	}
	_, err := c.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                aws.String(c.table),
		Key:                      map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: policy.WindowKey(c.endpoint, unixSecond)}},
		UpdateExpression:         aws.String("SET ttl_epoch = :ttl ADD #taken :one"),
		ConditionExpression:      aws.String("attribute_not_exists(#taken) OR #taken < :limit"),
		ExpressionAttributeNames: map[string]string{"#taken": "taken"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":ttl": number(policy.WindowExpires(unixSecond)), ":one": number(1), ":limit": number(int64(c.limit)),
		},
	}, func(o *dynamodb.Options) { o.RetryMaxAttempts = 2 })
	if full := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &full) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("DynamoDB table %s: %w", c.table, err)
	}
	return true, nil
}
