package sqlite

import (
	"context"
	"fmt"
)

// LimitPages has SQLite take the disk for full beyond n pages.
func (s *Store) LimitPages(ctx context.Context, n int) error {
	<-s.turn
	defer func() { s.turn <- struct{}{} }()
	_, err := s.writer.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", n))
	return err
}
