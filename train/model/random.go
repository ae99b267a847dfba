package model

import "math"

// random is a stream of random numbers, splitmix64: the same seed gives the same
// stream in every version, which the tables in the README rest on.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// float is in [0, 1).
func (r *random) float() float64 { return float64(r.next()>>11) / (1 << 53) }

// exp has the mean 1.
func (r *random) exp() float64 { return -math.Log(1 - r.float()) }

// lognormal has the median 1; with sigma 0 it is 1.
func (r *random) lognormal(sigma float64) float64 {
	if sigma == 0 {
		return 1
	}
	normal := math.Sqrt(2*r.exp()) * math.Cos(2*math.Pi*r.float()) // Box and Muller
	return math.Exp(sigma * normal)
}
