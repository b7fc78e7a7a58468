package settings

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a flag.Value: a size like 500, 64KiB, 8MiB or 1GiB.
type Bytes int64

var units = []struct {
	name string
	size int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String is the size in the largest unit that it is a multiple of.
func (b *Bytes) String() string {
	if b == nil {
		return "0"
	}
	for _, unit := range units {
		if size := int64(*b); size != 0 && size%unit.size == 0 {
			return strconv.FormatInt(size/unit.size, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(*b), 10)
}

// Set implements flag.Value.
func (b *Bytes) Set(text string) error {
	number, size := text, int64(1)
	for _, unit := range units {
		if rest, ok := strings.CutSuffix(text, unit.name); ok {
			number, size = rest, unit.size
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/size {
		return fmt.Errorf("allowed are sizes like 500, 64KiB, 8MiB and 1GiB")
	}
	*b = Bytes(n * size)
	return nil
}
