package fleet

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
	"pushtrain/deploy/release"
)

// cargo is a release as every host is told of it: read from the archive once,
// however many hosts there are.
type cargo struct {
	release  deploy.Release
	manifest deploy.Manifest
	blob     []byte // of host.Fill: the packed manifest, and the files' mtimes
	need     host.Need
	pack     pack
}

// cargoes keeps the cargo of the releases asked for last. The zero value keeps none.
type cargoes struct {
	mu   sync.Mutex // held while one is loaded: the others wait for it
	last []*cargo   // the newest first
}

// cargoMax is how many are kept: a rollout ships one, and rolls back to another.
const cargoMax = 2

// load returns the cargo of r, if the archived release is the one that r was proved by.
func (c *cargoes) load(store *release.Store, r deploy.Release) (*cargo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, x := range c.last {
		if x.release.ID == r.ID && x.release.Digest == r.Digest {
			c.last = slices.Insert(slices.Delete(c.last, i, i+1), 0, x)
			return x, nil
		}
	}
	m, err := manifest(store, r)
	if err != nil {
		return nil, err
	}
	times, err := store.Times(r.ID, m)
	if err != nil {
		return nil, err
	}
	x := &cargo{release: r, manifest: m, blob: m.Pack(nil), need: host.Need{Bytes: m.Bytes(), Files: int64(len(m.Entries))}, pack: pack{store: store, id: r.ID, spare: packSpare}}
	for i, e := range m.Entries {
		if e.Type == deploy.File {
			x.blob = binary.BigEndian.AppendUint64(x.blob, uint64(times[i].UnixNano()))
		}
	}
	c.last = slices.Insert(c.last, 0, x)
	c.last = c.last[:min(len(c.last), cargoMax)]
	return x, nil
}

// manifest returns the archived manifest of r, if it is the one that r was proved by.
func manifest(store *release.Store, r deploy.Release) (deploy.Manifest, error) {
	m, err := store.Manifest(r.ID)
	if err != nil {
		return m, err
	}
	if m.Digest() != r.Digest {
		return m, fmt.Errorf("release %s in the archive is not the one that is to be shipped: its digest differs", r.ID)
	}
	return m, nil
}
