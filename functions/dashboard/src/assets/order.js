// Lists that are put in order by dragging.
