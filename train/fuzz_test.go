package train

import (
	"testing"

	"pgregory.net/rapid"
)

// FuzzApply is TestInvariants with the fuzzer's bytes in the place of chance.
func FuzzApply(f *testing.F) { f.Fuzz(rapid.MakeFuzz(invariants)) }
