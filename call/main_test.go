package call

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also the main of the processes that process_test.go starts.
func TestMain(m *testing.M) {
	if role := os.Getenv(processRole); role != "" {
		os.Exit(processMain(role))
	}
	goleak.VerifyTestMain(m)
}
