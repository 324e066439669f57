-- A megabyte a column while a part is written is too much for a hundred columns: let the buffers grow as needed.
ALTER TABLE calls MODIFY SETTING min_columns_to_activate_adaptive_write_buffer = 1;
