package buffertest_test

import "testing"

// The example is run here, since an Example has no *testing.T.
func TestExampleOutage(t *testing.T) { testOutage(t) }
