-- Rows are 2 KB wide: merged whole, 8,192 at a time and from each part, they take 100 MB; column by column much less.
ALTER TABLE calls MODIFY SETTING
  vertical_merge_algorithm_min_rows_to_activate = 1,
  merge_max_block_size = 1024;
