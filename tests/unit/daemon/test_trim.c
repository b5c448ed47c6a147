#include "daemon/trim.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

/* Resident pages of this process that belong to files, in kB. */
static long rss_file(void)
{
    cleanup_str struct str text = STR_INIT;
    cleanup_close int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    assert_int_equal(fd_read_all(fd, 65536, &text, NULL), 0);
    const char *line = strstr(text.p, "RssFile:");
    assert_non_null(line);
    long kb = 0;
    for (const char *p = line + 8; *p != '\n'; p++)
        if (*p >= '0' && *p <= '9')
            kb = kb * 10 + (*p - '0');
    return kb;
}

static unsigned sum(const unsigned char *p, size_t n)
{
    unsigned total = 0;
    for (size_t i = 0; i < n; i += 512)
        total += p[i];
    return total;
}

static void test_unmodified_file_pages_are_given_back(void **state)
{
    (void)state;
    cleanup_close int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    size_t n = (size_t)st.st_size;
    unsigned char *p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    unsigned before = sum(p, n);
    long full = rss_file();
    trim_memory();
    assert_true(rss_file() < full - (long)(n / 1024) / 2);
    /* What was dropped is read again, the same. */
    assert_int_equal(sum(p, n), before);
    munmap(p, n);
}

static void test_modified_pages_stay(void **state)
{
    (void)state;
    cleanup_close int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    p[5000] = 'x';
    /* As the loader does with relocated data. */
    assert_int_equal(mprotect(p, 8192, PROT_READ), 0);
    trim_memory();
    assert_int_equal(p[5000], 'x');
    munmap(p, 8192);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unmodified_file_pages_are_given_back),
        cmocka_unit_test(test_modified_pages_stay),
    };
    return cmocka_run_group_tests_name("daemon/trim", tests, NULL, NULL);
}
