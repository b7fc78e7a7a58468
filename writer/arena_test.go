package writer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kept keeps each of the strings, as the items of one batch.
func kept(a *arena, writes ...string) [][]byte {
	var items [][]byte
	for i, s := range writes {
		items = append(items, a.Keep(i, []byte(s)))
	}
	return items
}

// same tells whether both begin at the same byte.
func same(a, b []byte) bool { return &a[0] == &b[0] }

func TestJoinOfOneArenaCopiesNothing(t *testing.T) {
	a := newArena(100, nil)
	items := kept(a, "one", "2", "three")
	assert.Equal(t, "one2three", string(join(items)))
	assert.True(t, same(items[0], join(items)))
	assert.Equal(t, "2three", string(join(items[1:])))
	assert.True(t, same(items[1], join(items[1:])))
	assert.Equal(t, "three", string(join(items[2:])))
}

func TestAnArenaGrowsUpToMaxBytes(t *testing.T) {
	a := newArena(1<<20, nil)
	a.size = 4
	items := kept(a, "aaa", "bb", "cccc", strings.Repeat("d", 100), "e")
	assert.Equal(t, "aaabbcccc"+strings.Repeat("d", 100)+"e", string(join(items)))
	assert.Equal(t, 128, a.size)
	a.Sealed()
	items = kept(a, "aaa", "bb", "cccc", strings.Repeat("d", 100), "e")
	assert.True(t, same(items[0], join(items)), "the next is as large from the start")
	a.Sealed()
	kept(a, strings.Repeat("d", 1<<20))
	assert.Equal(t, 1<<20, a.size)
	a.Sealed()
	a.size = 1 << 19
	a.double()
	a.double()
	assert.Equal(t, 1<<20, a.size)
}

func TestAnArenaIsUsedAgainOnceItIsFree(t *testing.T) {
	a := newArena(100, nil)
	first := kept(a, "one", "two")
	a.Sealed()
	second := kept(a, "three")
	assert.False(t, same(first[0], second[0]))
	a.Sealed()
	a.Free(first)
	third := kept(a, "four")
	assert.True(t, same(first[0], third[0]))
	assert.Equal(t, "three", string(second[0]))
	a.Sealed()
	a.Free(second)
	a.Free(third)
	assert.Len(t, a.free, 2)
	a.Free(kept(newArena(100, nil), "more"))
	assert.Len(t, a.free, 2, "two are enough")
}

func TestAnArenaThatIsTooSmallIsNotKept(t *testing.T) {
	a := newArena(100, nil)
	a.size = 4
	small := kept(a, "one")
	a.Sealed()
	large := kept(a, strings.Repeat("x", 50))
	a.Sealed()
	a.Free(small)
	assert.Empty(t, a.free)
	a.Free(large)
	assert.Len(t, a.free, 1)
	a.double()
	kept(a, "z")
	assert.Empty(t, a.free, "it has become too small meanwhile")
	assert.Equal(t, 100, cap(a.open))
}

func TestAWriteOfMoreThanMaxBytesIsKeptAsItIs(t *testing.T) {
	a := newArena(4, nil)
	p := []byte("large")
	items := [][]byte{a.Keep(0, p)}
	assert.True(t, same(p, items[0]))
	a.Sealed()
	a.Free(items)
	assert.Empty(t, a.free)
	next := kept(a, "abcd")
	require.Equal(t, "abcd", string(next[0]))
	a.Sealed()
	assert.Empty(t, a.open)
}
