/* What tar(1) says about our archives. */
#include "engine/tar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/proc.h"

static void run_tar(const struct str *tar, const char *const *args, struct proc_result *result)
{
    cleanup_strv struct strv argv = STRV_INIT;
    strv_push(&argv, "tar");
    for (; *args; args++)
        strv_push(&argv, *args);
    static char zone[] = "TZ=UTC", path[] = "PATH=/usr/bin:/bin";
    char *envp[] = {zone, path, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = "tar";
    spec.argv = argv.v;
    spec.envp = envp;
    struct err err = ERR_INIT;
    if (proc_run(&spec, tar->p, tar->len, 1 << 20, 10000, result, &err) < 0)
        fail_msg("%s", err.msg);
    if (result->status != 0)
        fail_msg("tar: %s", result->errs.p);
}

static void test_tar_reads_it(void **state)
{
    (void)state;
    cleanup_str struct str tar = STR_INIT, large = STR_INIT;
    for (int i = 0; i < 1025; i++)
        str_addc(&large, (char)('a' + i % 26));
    char name[TAR_NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    name[TAR_NAME_MAX] = '\0';
    assert_int_equal(tar_add_dir(&tar, "ssh", 0700, 0, 0, NULL), 0);
    assert_int_equal(tar_add_file(&tar, "ssh/key", 0600, 10001, 2097151, "k\n", 2, NULL), 0);
    assert_int_equal(tar_add_file(&tar, "empty", 04644, 0, 0, NULL, 0, NULL), 0);
    assert_int_equal(tar_add_file(&tar, "large", 0644, 0, 0, large.p, large.len, NULL), 0);
    assert_int_equal(tar_add_file(&tar, name, 0644, 0, 0, "x", 1, NULL), 0);
    tar_finish(&tar);
    assert_int_equal(tar.len % 512, 0);
    cleanup_proc_result struct proc_result list = {0}, content = {0};
    run_tar(&tar, (const char *const[]){"tvf", "-", "--numeric-owner", "--full-time", NULL}, &list);
    assert_true(str_starts_with(list.out.p,
                                "drwx------ 0/0               0 1970-01-01 00:00:00 ssh/\n"
                                "-rw------- 10001/2097151     2 1970-01-01 00:00:00 ssh/key\n"
                                "-rwSr--r-- 0/0               0 1970-01-01 00:00:00 empty\n"));
    run_tar(&tar, (const char *const[]){"xOf", "-", "large", NULL}, &content);
    assert_string_equal(content.out.p, large.p);
}

static void test_refused(void **state)
{
    (void)state;
    cleanup_str struct str tar = STR_INIT;
    static const char *const names[] = {"", "/etc/passwd", "../x", "a/../b", "./a", "a//b", "a/"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(tar_add_file(&tar, names[i], 0644, 0, 0, "", 0, NULL), ERR_INVALID);
    char name[TAR_NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    name[TAR_NAME_MAX] = '\0';
    assert_int_equal(tar_add_dir(&tar, name, 0755, 0, 0, NULL), ERR_INVALID);
    name[TAR_NAME_MAX] = 'n';
    name[TAR_NAME_MAX + 1] = '\0';
    assert_int_equal(tar_add_file(&tar, name, 0755, 0, 0, "", 0, NULL), ERR_INVALID);
    assert_int_equal(tar_add_file(&tar, "a", 0644, 2097152, 0, "", 0, NULL), ERR_LIMIT);
    assert_int_equal(tar_add_file(&tar, "a", 0644, 0, 0, "", TAR_FILE_MAX + 1, NULL), ERR_LIMIT);
    assert_int_equal(tar.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tar_reads_it),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("engine/tar", tests, NULL, NULL);
}
