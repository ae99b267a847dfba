package bot

import (
	"errors"
	"path/filepath"
	"time"

	"pushtrain/bot/store"
	"pushtrain/train"
)

// copies is how many hot copies of the journal are kept.
const copies = 5

// errFull refuses what would need more of the journal than its reserve holds.
var errFull = &train.Refusal{Code: "disk full", Text: "the disk of the journal is full: only .abort and .rollback work until there is room"}

// allowedWhenFull: what people may still do on a full disk. What is observed, and
// what ends a rollout, is recorded from the reserve too.
func allowedWhenFull(by train.Who, e train.Event) bool {
	switch e.(type) {
	case train.Abort, train.Rollback, train.Edited, train.Renamed, train.Identified, train.Parted, train.Heard, train.Voided:
		return true
	}
	return by.Nick == ""
}

// write commits what was applied. On a full disk it takes the reserve (DESIGN §10.15).
func (b *Bot) write(snapshots map[string][]byte) error {
	err := b.store.Commit(b.recs, snapshots)
	if !errors.Is(err, store.ErrFull) {
		return err
	}
	b.full = true
	b.cfg.Log.Error().Err(err).Msg("the journal's disk is full: using the reserve")
	if err := b.store.ReleaseReserve(); err != nil {
		return err
	}
	return b.store.Commit(b.recs, snapshots)
}

func (b *Bot) takeReserve() {
	if err := b.store.TakeReserve(); err != nil {
		b.full = true
		b.cfg.Log.Error().Err(err).Msg("there is no room for the journal's reserve: no rollouts until there is")
		return
	}
	b.full = false
}

// room looks whether a full disk has room again, every ten seconds.
func (b *Bot) room() {
	if !b.full || b.now().Sub(b.looked) < 10*time.Second {
		return
	}
	b.looked = b.now()
	if free, err := b.store.Free(); err == nil && free > 4<<20 {
		b.takeReserve()
	}
}

// backup makes a hot copy of the journal, beside the bot's other work.
func (b *Bot) backup() {
	if b.cfg.Dir == "" || b.store.Last() == 0 {
		return
	}
	b.deeds = append(b.deeds, func() {
		b.jobs.Go(func() {
			if _, err := b.store.Backup(filepath.Join(b.cfg.Dir, "backup"), copies); err != nil {
				b.cfg.Log.Warn().Err(err).Msg("copy the journal")
			}
		})
	})
}
