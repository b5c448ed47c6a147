/* Lines of the event stream, which hold what strangers named: whatever they say, the board keeps
 * its limits and nothing that a terminal would obey reaches a row. */
#include <string.h>

#include "watch/page.h"

static void check(const struct board *b, int width, int height)
{
    struct page_view view = {.width = width, .height = height, .utf8 = true, .now = 1700000000};
    cleanup_page struct page page;
    page_make(b, &view, &page);
    for (size_t i = 0; i < page.height; i++) {
        cleanup_str struct str row = STR_INIT;
        page_row_text(&page, i, &row);
        for (size_t k = 0; k < row.len; k++)
            if ((unsigned char)row.p[k] < ' ' || row.p[k] == 0x7f)
                __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cleanup_board struct board b = {0};
    const char *p = (const char *)data;
    while (size > 0) {
        const char *end = memchr(p, '\n', size);
        size_t n = end ? (size_t)(end - p) : size;
        (void)board_take(&b, p, n, NULL, NULL);
        p += n + (end != NULL);
        size -= n + (end != NULL);
    }
    if (b.n_people > BOARD_PEOPLE_MAX || b.n_entries > BOARD_ENTRIES_MAX ||
        b.n_files > BOARD_FILES_MAX || b.n_places > BOARD_PLACES_MAX)
        __builtin_trap();
    check(&b, 80, 24);
    check(&b, 130, 60);
    return 0;
}
