package buffer_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The fault matrix: what goes wrong in libraries of this kind, what the design
// promises, and for each the tests that fail where it goes wrong here. A test is
// named package.Test, or package.Test/scenario for one of its scenarios.

// row is something that can go wrong, or must hold.
type row struct {
	what string
	held []string
}

// pains are what hurts users of other systems of this kind.
var pains = []row{
	{"data is lost at shutdown", []string{
		"buffer.TestPromiseShutdown/everything is flushed",
		"buffer.TestPromiseShutdown/concurrent with everything else, nothing accepted is lost",
		"buffer.TestContentionShutdownAtARandomMoment",
		"aggregate.TestPromiseShutdownGivesEntriesBack",
		"writer.TestCloseAmidWrites",
	}},
	{"Close blocks for ever", []string{
		"buffer.TestPainCloseBlocksForEver",
		"buffer.TestAbortSleepsThroughItsGrace",
		"writer.TestPromiseStopLeavesAStuckOutputBehind",
	}},
	{"a second Close, or an insert after Close, panics or silently succeeds", []string{
		"buffer.TestPromiseShutdown/inserts end with ErrClosed",
		"buffer.TestPromiseShutdown/the earliest end of any caller's ctx, one answer for all",
		"buffer.TestContentionShutdownAtARandomMoment",
		"aggregate.TestPromiseAfterShutdownNothingIsAdded",
		"writer.TestPromiseWhatIsAnsweredWhen",
	}},
	{"a timer against Stop deadlocks", []string{
		"buffer.TestPainTimerAgainstStop",
		"buffer.TestContentionTimerAgainstStop",
		"writer.TestEverythingAtOnce",
	}},
	{"wake-ups are lost under backpressure", []string{
		"buffer.TestContentionLosesNoWakeUp",
		"buffer.TestEveryWaitingInsertThatHasRoomIsWoken",
		"buffer.TestPromisePartitionFull/a wake-up that ctx's end left unused goes on",
		"partition.TestWaitersLoseNoWakeUp",
	}},
	{"an item larger than the capacity hangs", []string{
		"buffer.TestPromiseBytes/ErrTooLarge",
		"buffer.TestPromiseInsertBatch/accepted whole beyond MaxSize",
		"writer.TestPromiseALargerWriteIsABatchOfItsOwn",
	}},
	{"goroutines leak in Flush", []string{"buffer.TestPainGoroutineLeaks"}},
	{"memory grows during an outage", []string{
		"buffer.TestPainMemoryGrowsDuringAnOutage",
		"buffer.TestPromiseMemory",
		"buffer.TestDropOldestKeepsTheBoundOfMemory",
		"buffer.TestSyncFlushThatGaveUpLeavesNothingBehind",
		"buffer.TestPartialsInARowKeepOnlyWhatIsLeft",
		"aggregate.TestAMillionKeysStayWithinTheBound",
	}},
	{"a failed flush loses its data silently", []string{
		"buffer.TestPromiseError/retried with backoff, without end",
		"buffer.TestPromiseLogs",
		"tests.TestOutcomes",
	}},
	{"there is no error per item", []string{
		"buffer.TestPromisePartial/each index by its own class",
		"buffer.TestPromiseFlushWhileFlushing/SyncFlush joins the failures",
	}},
	{"one poison item kills or blocks its batch", []string{
		"buffer.TestPromisePermanentPanicGoexit",
		"buffer.TestPromisePartial/each index by its own class",
	}},
	{"the whole batch is retried though a part succeeded", []string{
		"buffer.TestPromisePartial/MaxAttempts bounds the attempts of an item",
		"writer.TestPromiseARetryGoesOnWhereAShortWriteStopped",
	}},
	{"there is no dead letter", []string{
		"buffer.TestPromiseDeadLetter",
		"writer.TestPromiseADeadLetterThatFailsDrops",
	}},
	{"drops are invisible, and gauges go negative", []string{
		"buffer.TestPromiseLogs",
		"buffer.TestContentionAgainstAHostileFlusher",
		"tests.TestOverflowIsCounted",
		"tests.TestMixedOutcomesAgreeWithInfo",
		"tests.TestNobodyWaitsAfterShutdown",
	}},
	{"one slow partition stalls all producers", []string{
		"buffer.TestPainOneSlowPartition",
		"buffer.TestPromisePartitionFull/a waiting insert takes the first room anywhere",
	}},
	{"all flush in step", []string{"buffer.TestPromiseInterval/partitions do not flush in step"}},
	{"a flush by size does not reset the timer", []string{"buffer.TestPromiseInterval/a size flush starts the interval anew"}},
	{"retries come as a storm", []string{
		"buffer.TestPainRetryStorms",
		"jitter.TestBackoffIsFullJitter",
	}},
	{"Flush is no barrier, or none for what is retried", []string{
		"buffer.TestPromiseFlushWhileFlushing/SyncFlush is a barrier, retries included",
		"aggregate.TestPromiseSyncFlushCoversWhatWasMerged",
		"writer.TestPromiseSyncIsABarrier",
	}},
	{"one caller's cancelled context kills the batch of all", []string{
		"buffer.TestPainOneCallersContext",
		"buffer.TestPromiseAttempt/its own goroutine, context and deadline",
	}},
	{"a panic in the callback hangs those who wait", []string{
		"buffer.TestPainAPanicHangsWaiters",
		"aggregate.TestPromiseAPanicInMergeOfAWaitingAdd",
		"writer.TestPromiseErrorsAndPanicsOfCallbacksAreInErrors",
	}},
	{"when full, one of blocking and rejecting is missing", []string{
		"buffer.TestPromisePartitionFull/Block waits for room",
		"buffer.TestPromisePartitionFull/Reject returns ErrFull",
		"buffer.TestPromisePartitionFull/DropOldest drops the filled batch that waits",
		"buffer.TestPromiseContextAlreadyDone",
	}},
	{"the trace is lost across the batch, or has thousands of links", []string{
		"tests.TestInsertSpanModes",
		"tests.TestFlusherSpansNestUnderTheFlush",
		"tests.TestAFlushLinksAtMost128Inserts",
		"tests.TestEachBatchOfAnInsertBatchLinksIt",
	}},
}

// flaws are those of the DataBuffer for Elixir, which this library is modelled
// on, that it does not have itself.
var flaws = []row{
	{"flushes on the insert after the one that fills a partition", []string{"buffer.TestPromiseThresholdReached/on the insert that reaches it"}},
	{"the timer flushes empty partitions", []string{"buffer.TestPromiseInterval/an empty partition never flushes"}},
	{"a flush while one is running overwrites its timeout, and two run", []string{
		"buffer.TestReferenceAFlushOverwritesTheRunningTimeout",
		"buffer.TestPromiseFlushWhileFlushing",
		"buffer.TestPromiseAttempt/at most MaxInFlight",
	}},
	{"SyncFlush and shutdown flush within the partition", []string{
		"buffer.TestReferenceFlushesWithinThePartition",
		"tests.TestBatchHistograms",
	}},
	{"a timeout or an exception drops the batch", []string{
		"buffer.TestPromiseTimeout/cancelled with ErrTimeout",
		"buffer.TestPromisePermanentPanicGoexit",
		"buffer.TestPromiseDeadLetter",
	}},
	{"Dump leaves out what is being flushed, and says so nowhere", []string{"buffer.TestReferenceDumpLeavesOut"}},
}

// promises are the rows of the design.
var promises = []row{
	{"the law", []string{"buffer.TestPromiseTheLaw", "tests/model/buffer.TestModel", "tests/model/aggregate.TestModel", "tests/model/writer.TestModel", "buffer.TestContentionAgainstAHostileFlusher"}},
	{"an insert returns nil", []string{"buffer.TestPromiseInsertReturnsNil"}},
	{"ctx is already done", []string{"buffer.TestPromiseContextAlreadyDone"}},
	{"full", []string{"buffer.TestPromiseFull"}},
	{"an insert finds its partition full", []string{"buffer.TestPromisePartitionFull"}},
	{"InsertBatch", []string{"buffer.TestPromiseInsertBatch"}},
	{"bytes", []string{"buffer.TestPromiseBytes"}},
	{"the threshold is reached", []string{"buffer.TestPromiseThresholdReached"}},
	{"the interval", []string{"buffer.TestPromiseInterval"}},
	{"an attempt", []string{"buffer.TestPromiseAttempt"}},
	{"nil", []string{"buffer.TestPromiseNil"}},
	{"an error", []string{"buffer.TestPromiseError"}},
	{"Partial", []string{"buffer.TestPromisePartial"}},
	{"Permanent, a panic, Goexit", []string{"buffer.TestPromisePermanentPanicGoexit"}},
	{"the dead letter", []string{"buffer.TestPromiseDeadLetter"}},
	{"a timeout", []string{"buffer.TestPromiseTimeout", "buffer.TestSettledAttemptThatIsAbandonedChangesNothing"}},
	{"Flush and SyncFlush while flushing", []string{"buffer.TestPromiseFlushWhileFlushing"}},
	{"inside the Flusher", []string{"buffer.TestPromiseInsideTheFlusher"}},
	{"Shutdown", []string{"buffer.TestPromiseShutdown", "buffer.TestContentionShutdownAtARandomMoment"}},
	{"at least once, or at most once", []string{"buffer.TestPromiseAtLeastOnce", "buffer.TestPromiseAtMostOnce"}},
	{"order", []string{"buffer.TestPromiseOrdering"}},
	{"memory", []string{"buffer.TestPromiseMemory"}},
	{"slices", []string{"buffer.TestPromiseSlices", "buffer.TestDeliveredItemsAreLetGo"}},
	{"extremes", []string{"buffer.TestPromiseExtremes", "writer.TestPromiseExtremes"}},
	{"logs", []string{"buffer.TestPromiseLogs"}},
}

// testsOf are the test functions of a folder, with the strings in each, among
// which are the names of its scenarios.
func testsOf(t *testing.T, folder string) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, folder)
	tests := map[string][]string{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range parsed.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") {
				continue
			}
			said := []string{}
			ast.Inspect(f, func(n ast.Node) bool {
				if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					text, err := strconv.Unquote(literal.Value)
					require.NoError(t, err)
					said = append(said, text)
				}
				return true
			})
			tests[f.Name.Name] = said
		}
	}
	return tests
}

func TestMatrixNamesTestsThatExist(t *testing.T) {
	folders := map[string]map[string][]string{}
	named := map[string]bool{}
	for _, table := range [][]row{pains, flaws, promises} {
		for _, r := range table {
			assert.NotEmpty(t, r.held, r.what)
			for _, name := range r.held {
				folder, function, ok := strings.Cut(name, ".")
				require.True(t, ok, name)
				function, scenario, _ := strings.Cut(function, "/")
				if folders[folder] == nil {
					folders[folder] = testsOf(t, folder)
				}
				said, ok := folders[folder][function]
				if assert.True(t, ok, "%s: there is no %s", r.what, name) && scenario != "" {
					assert.True(t, begins(said, scenario), "%s: there is no scenario %s", r.what, name)
				}
				if folder == "buffer" {
					named[function] = true
				}
			}
		}
	}
	for function := range folders["buffer"] {
		for _, kind := range []string{"TestPain", "TestPromise", "TestReference", "TestContention"} {
			if strings.HasPrefix(function, kind) {
				assert.True(t, named[function], "%s is in no row of the matrix", function)
			}
		}
	}
}

// begins says whether a text begins with the prefix.
func begins(texts []string, prefix string) bool {
	for _, text := range texts {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}
