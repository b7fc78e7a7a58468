package buffer

import (
	"hash/maphash"
	"math/bits"
)

// seed is the process's own, so that nobody outside can choose keys that all go
// to one partition.
var seed = maphash.MakeSeed()

// Hash makes a key for Config.Key of any comparable value, evenly spread over
// all of uint64. It is the same for equal values within a process, and another
// in the next: store it nowhere. It panics where an interface in key holds a
// value that cannot be compared, as == does; in a Config.Key that is the
// insert's error.
func Hash[K comparable](key K) uint64 { return maphash.Comparable(seed, key) }

// spread maps a key to 0..n-1. The key is mixed by the finalizer of splitmix64
// (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators",
// 2014), so that keys which differ in few bits go different ways; the high bits
// of the product with n are then as even as a remainder, without a division.
func spread(key uint64, n int) int {
	key = (key ^ key>>30) * 0xbf58476d1ce4e5b9
	key = (key ^ key>>27) * 0x94d049bb133111eb
	high, _ := bits.Mul64(key^key>>31, uint64(n))
	return int(high)
}
