/* Archives on disk, and the secrets that the keeper reads. */
#include "keeper/archive.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"
#include "keeper/secrets.h"
#include "keeper_spec.h"

static int setup(void **state)
{
    char *dir = xstrdup("/tmp/steadystate-archive-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    *state = dir;
    return archive_prepare(dir, NULL);
}

static int teardown(void **state)
{
    path_remove_tree(AT_FDCWD, *state, NULL);
    free(*state);
    return 0;
}

static void write_archive(const char *dir, const char *id, const char *content)
{
    struct archive_writer *w = NULL;
    int64_t size = 0;
    assert_int_equal(archive_begin(dir, id, &w, NULL), 0);
    assert_int_equal(archive_write(w, content, strlen(content), NULL), 0);
    assert_int_equal(archive_commit(w, &size, NULL), 0);
    assert_int_equal(size, strlen(content));
}

static bool has(const char *dir, const char *name)
{
    cleanup_free char *path = path_join(dir, name);
    return access(path, F_OK) == 0;
}

static void test_written_whole_or_not_at_all(void **state)
{
    const char *dir = *state;
    struct archive_writer *w = NULL;
    assert_int_equal(archive_begin(dir, ID_A, &w, NULL), 0);
    archive_write(w, "half", 4, NULL);
    assert_false(has(dir, ID_A ".bundle"));
    archive_abort(w);
    assert_false(has(dir, ID_A ".bundle.part"));

    /* What a crash left half-written is gone at the next start, what was kept is not. */
    write_archive(dir, ID_B, "kept");
    assert_int_equal(archive_begin(dir, ID_A, &w, NULL), 0);
    assert_int_equal(archive_prepare(dir, NULL), 0);
    assert_false(has(dir, ID_A ".bundle.part"));
    assert_true(has(dir, ID_B ".bundle"));
    archive_abort(w);
    cleanup_free char *path = path_join(dir, ID_B ".bundle");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_list_read_expire(void **state)
{
    const char *dir = *state;
    write_archive(dir, ID_A, "0123456789");
    write_archive(dir, ID_B, "x");
    cleanup_free char *foreign = path_join(dir, "notes.bundle");
    assert_int_equal(fd_write_file(AT_FDCWD, foreign, "x", 1, 0600, NULL), 0);
    struct archive_list list;
    assert_int_equal(archive_list(dir, &list, NULL), 0);
    assert_int_equal(list.len, 2);
    archive_list_release(&list);

    cleanup_str struct str piece = STR_INIT;
    int64_t size = 0;
    assert_int_equal(archive_read(dir, ID_A, 4, 3, &piece, &size, NULL), 0);
    assert_string_equal(piece.p, "456");
    assert_int_equal(size, 10);
    str_clear(&piece);
    assert_int_equal(archive_read(dir, ID_A, 8, 100, &piece, &size, NULL), 0);
    assert_string_equal(piece.p, "89");
    str_clear(&piece);
    assert_int_equal(archive_read(dir, ID_A, 100, 100, &piece, &size, NULL), 0);
    assert_int_equal(piece.len, 0);

    cleanup_free char *old = path_join(dir, ID_A ".bundle");
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, old, times, 0), 0);
    int64_t removed = 0;
    assert_int_equal(archive_expire(dir, time(NULL) - 10, &removed, NULL), 0);
    assert_int_equal(removed, 1);
    assert_int_equal(archive_read(dir, ID_A, 0, 1, &piece, &size, NULL), ERR_NOT_FOUND);
    assert_int_equal(archive_read(dir, ID_B, 0, 1, &piece, &size, NULL), 0);
}

static void test_links_are_not_followed(void **state)
{
    const char *dir = *state;
    cleanup_free char *path = path_join(dir, ID_A ".bundle");
    cleanup_str struct str piece = STR_INIT;
    int64_t size = 0;
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_not_equal(archive_read(dir, ID_A, 0, 10, &piece, &size, NULL), 0);
    assert_int_equal(piece.len, 0);
}

static void test_tokens_by_host(void **state)
{
    (void)state;
    const char text[] = "# comment\n\n  forge.example \t s3cret \r\nother.example abc\nx.y last";
    cleanup_str struct str out = STR_INIT;
    assert_int_equal(secrets_find_token(text, strlen(text), "FORGE.example", &out, NULL), 0);
    assert_string_equal(out.p, "s3cret");
    str_clear(&out);
    assert_int_equal(secrets_find_token(text, strlen(text), "x.y", &out, NULL), 0);
    assert_string_equal(out.p, "last");
    assert_int_equal(secrets_find_token(text, strlen(text), "example", &out, NULL), ERR_NOT_FOUND);
    const char *bad[] = {"host", "host two words", "host s\x01", "a b\nhost"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(secrets_find_token(bad[i], strlen(bad[i]), "a", &out, NULL), ERR_INVALID);
}

static int hello(const struct secrets_files *files, const char *url, struct json_object *given,
                 struct json_object **out)
{
    struct session_spec spec;
    make_spec(&spec, ID_A);
    free(spec.repo_url);
    spec.repo_url = xstrdup(url);
    struct err err = ERR_INIT;
    int rc = secrets_hello(files, &spec, given, out, &err);
    session_spec_release(&spec);
    return rc;
}

static void test_each_repository_gets_its_own_secret_only(void **state)
{
    const char *dir = *state;
    cleanup_free char *tokens = path_join(dir, "tokens");
    cleanup_free char *key = path_join(dir, "key");
    const char line[] = "forge.example t1\n";
    assert_int_equal(fd_write_file(AT_FDCWD, tokens, line, strlen(line), 0600, NULL), 0);
    assert_int_equal(fd_write_file(AT_FDCWD, key, "KEY", 3, 0600, NULL), 0);
    const struct secrets_files files = {.forge_tokens = tokens, .deploy_key = key};
    struct json_object *out = NULL;
    assert_int_equal(hello(&files, "https://forge.example/a.git", NULL, &out), 0);
    assert_string_equal(json_object_get_string(
                            json_object_object_get(json_object_object_get(out, "token"), "secret")),
                        "t1");
    assert_null(json_object_object_get(out, "deploy_key"));
    json_object_put(out);
    assert_int_equal(hello(&files, "https://elsewhere.example/a.git", NULL, &out), 0);
    assert_int_equal(json_object_object_length(out), 0);
    json_object_put(out);
    assert_int_equal(hello(&files, "ssh://git@forge.example/a.git", NULL, &out), 0);
    assert_null(json_object_object_get(out, "token"));
    assert_string_equal(json_object_get_string(json_object_object_get(out, "deploy_key")), "KEY");
    json_object_put(out);

    /* A person's own token goes first, and only to its host. */
    cleanup_json struct json_object *given = json_object_new_object();
    json_add_str(given, "host", "forge.example");
    json_add_str(given, "secret", "own");
    assert_int_equal(hello(&files, "https://forge.example/a.git", given, &out), 0);
    assert_string_equal(json_object_get_string(
                            json_object_object_get(json_object_object_get(out, "token"), "secret")),
                        "own");
    json_object_put(out);
    assert_int_equal(hello(&files, "https://elsewhere.example/a.git", given, &out), 0);
    assert_int_equal(json_object_object_length(out), 0);
    json_object_put(out);
}

static void test_readable_secrets_are_refused(void **state)
{
    const char *dir = *state;
    cleanup_free char *tokens = path_join(dir, "tokens");
    assert_int_equal(fd_write_file(AT_FDCWD, tokens, "h t\n", 4, 0644, NULL), 0);
    const struct secrets_files files = {.forge_tokens = tokens};
    struct json_object *out = NULL;
    assert_int_equal(hello(&files, "https://forge.example/a.git", NULL, &out), ERR_DENIED);
    assert_null(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_written_whole_or_not_at_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list_read_expire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links_are_not_followed, setup, teardown),
        cmocka_unit_test(test_tokens_by_host),
        cmocka_unit_test_setup_teardown(test_each_repository_gets_its_own_secret_only, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_readable_secrets_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests_name("keeper/archive", tests, NULL, NULL);
}
