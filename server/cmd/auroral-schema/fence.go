package main

import "context"

func (a app) verifyFence(ctx context.Context, args []string) error {
	return usageError{"verify-fence waits for internal/fence"}
}
