/* Against git itself: random texts through `git merge-file`, random trees through
 * `git merge-tree --write-tree` without directory renames. Where git is clean, the bytes and the
 * tree ids are the same; where git stops, so says merge_text. Seeds are fixed; MERGE_TEST_ROUNDS
 * makes more of them. */
#include <git2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "merge/text.h"
#include "merge/tree.h"

#define ROUNDS_TEXT 150
#define ROUNDS_TREE 60
#define GIT_OUTPUT_MAX (1 << 20)
#define GIT_TIMEOUT_MS 60000

static uint32_t state_of_chance;

static uint32_t chance(uint32_t below)
{
    state_of_chance = state_of_chance * 1664525u + 1013904223u;
    return (state_of_chance >> 8) % below;
}

static unsigned rounds(unsigned usual)
{
    const char *more = getenv("MERGE_TEST_ROUNDS");
    return more ? (unsigned)strtoul(more, NULL, 10) : usual;
}

static void make_folder(char path[64])
{
    snprintf(path, 64, "/tmp/steadystate-merge-XXXXXX");
    assert_non_null(mkdtemp(path));
}

/* argv[0] is the program. */
static int run(const char *const argv[], struct str *out)
{
    struct proc_spec spec = PROC_SPEC_INIT;
    struct proc_result r = {0, STR_INIT, STR_INIT};
    struct err err = ERR_INIT;
    spec.file = argv[0];
    spec.argv = (char *const *)argv;
    spec.envp = environ;
    assert_int_equal(proc_run(&spec, NULL, 0, GIT_OUTPUT_MAX, GIT_TIMEOUT_MS, &r, &err), 0);
    str_add(out, r.out.p, r.out.len);
    int status = r.status;
    proc_result_release(&r);
    return status;
}

static void remove_folder(const char *path)
{
    const char *const argv[] = {"rm", "-rf", path, NULL};
    cleanup_str struct str out = STR_INIT;
    assert_int_equal(run(argv, &out), 0);
}

/* --- texts ------------------------------------------------------------------------------------ */

static void random_line(struct str *out, uint32_t alphabet)
{
    switch (chance(4)) {
    case 0:
        str_adds(out, chance(2) ? "}\n" : "\n");
        break;
    case 1:
        str_addf(out, "\treturn %u;\n", chance(alphabet));
        break;
    default:
        str_addf(out, "w%u\n", chance(alphabet));
    }
}

static void random_text(struct strv *lines, uint32_t alphabet)
{
    for (uint32_t n = chance(60); n > 0; n--) {
        cleanup_str struct str line = STR_INIT;
        random_line(&line, alphabet);
        strv_push(lines, line.p);
    }
}

/* Copies with deletions, insertions, replacements and doubled lines. */
static void mutate(const struct strv *from, struct strv *to, uint32_t alphabet, uint32_t rate)
{
    for (size_t i = 0; i < from->len; i++) {
        cleanup_str struct str line = STR_INIT;
        uint32_t what = chance(rate);
        if (what == 0)
            continue;
        if (what == 1 || what == 2) {
            random_line(&line, alphabet);
            strv_push(to, line.p);
        }
        if (what != 2)
            strv_push(to, from->v[i]);
        if (what == 3)
            strv_push(to, from->v[i]);
    }
}

static void join(const struct strv *lines, struct str *out)
{
    for (size_t i = 0; i < lines->len; i++)
        str_adds(out, lines->v[i]);
    if (out->len && chance(12) == 0)
        str_truncate(out, out->len - 1);
}

static void compare_text(const char *folder, const struct str v[3])
{
    static const char *const names[] = {"base", "local", "canonical"};
    char path[3][128];
    struct err err = ERR_INIT;
    for (int i = 0; i < 3; i++) {
        snprintf(path[i], sizeof path[i], "%s/%s", folder, names[i]);
        FILE *f = fopen(path[i], "w");
        assert_non_null(f);
        assert_int_equal(fwrite(v[i].p, 1, v[i].len, f), v[i].len);
        assert_int_equal(fclose(f), 0);
    }
    const char *const argv[] = {"git", "merge-file", "-p", "-q", path[1], path[0], path[2], NULL};
    cleanup_str struct str want = STR_INIT;
    int status = run(argv, &want);
    cleanup_merge_text struct merge_text_result r = MERGE_TEXT_RESULT_INIT;
    struct merge_slice s[3];
    for (int i = 0; i < 3; i++)
        s[i] = (struct merge_slice){v[i].p, v[i].len};
    assert_int_equal(merge_text(s[0], s[1], s[2], &r, &err), 0);
    assert_int_equal(r.git_clean, status == 0);
    if (status == 0) {
        assert_int_equal(r.text.len, want.len);
        assert_memory_equal(r.text.p, want.p, want.len);
        assert_int_equal(r.report.len, 0);
    }
}

static void test_texts_as_git_merge_file(void **state)
{
    (void)state;
    char folder[64];
    make_folder(folder);
    for (unsigned round = 0; round < rounds(ROUNDS_TEXT); round++) {
        state_of_chance = round * 7919u + 1;
        uint32_t alphabet = 1 + chance(3) * 20, rate = 6 + chance(60);
        cleanup_strv struct strv base = STRV_INIT;
        random_text(&base, alphabet);
        struct str v[3] = {STR_INIT, STR_INIT, STR_INIT};
        join(&base, &v[0]);
        for (int i = 0; i < 2; i++) {
            struct strv side = STRV_INIT;
            mutate(&base, &side, alphabet, rate);
            join(&side, &v[i + 1]);
            strv_release(&side);
        }
        compare_text(folder, v);
        for (int i = 0; i < 3; i++)
            str_release(&v[i]);
    }
    remove_folder(folder);
}

/* --- trees ------------------------------------------------------------------------------------ */

struct repo {
    git_repository *repo;
    git_odb *odb;
};

static int read_tree(void *ctx, const struct merge_oid *tree, struct merge_listing *out,
                     struct err *err)
{
    struct repo *r = ctx;
    git_oid id;
    git_tree *t;
    memcpy(id.id, tree->id, MERGE_OID_LEN);
    if (git_tree_lookup(&t, r->repo, &id) < 0)
        return err_set(err, ERR_NOT_FOUND, "no tree");
    for (size_t i = 0; i < git_tree_entrycount(t); i++) {
        const git_tree_entry *e = git_tree_entry_byindex(t, i);
        struct merge_oid oid;
        memcpy(oid.id, git_tree_entry_id(e)->id, MERGE_OID_LEN);
        merge_listing_add(out, git_tree_entry_name(e), strlen(git_tree_entry_name(e)),
                          (uint32_t)git_tree_entry_filemode_raw(e), &oid);
    }
    git_tree_free(t);
    return 0;
}

static int read_blob(void *ctx, const struct merge_oid *blob, size_t max, struct str *out,
                     struct err *err)
{
    struct repo *r = ctx;
    git_oid id;
    git_odb_object *o;
    memcpy(id.id, blob->id, MERGE_OID_LEN);
    if (git_odb_read(&o, r->odb, &id) < 0)
        return err_set(err, ERR_NOT_FOUND, "no blob");
    int rc = git_odb_object_size(o) > max ? err_set(err, ERR_LIMIT, "too long") : 0;
    if (rc == 0)
        str_add(out, git_odb_object_data(o), git_odb_object_size(o));
    git_odb_object_free(o);
    return rc;
}

static int write_blob(void *ctx, const void *p, size_t n, struct merge_oid *out, struct err *err)
{
    struct repo *r = ctx;
    git_oid id;
    (void)err;
    assert_int_equal(git_odb_write(&id, r->odb, p, n, GIT_OBJECT_BLOB), 0);
    memcpy(out->id, id.id, MERGE_OID_LEN);
    return 0;
}

static int write_tree(void *ctx, const struct merge_entry *v, size_t n, struct merge_oid *out,
                      struct err *err)
{
    struct repo *r = ctx;
    git_oid id;
    (void)err;
    cleanup_str struct str text = STR_INIT;
    for (size_t i = 0; i < n; i++) {
        str_addf(&text, "%o %s", v[i].mode, v[i].name);
        str_addc(&text, '\0');
        str_add(&text, v[i].oid.id, MERGE_OID_LEN);
    }
    assert_int_equal(git_odb_write(&id, r->odb, text.p, text.len, GIT_OBJECT_TREE), 0);
    memcpy(out->id, id.id, MERGE_OID_LEN);
    return 0;
}

#define FILES 8
#define LINES 14

/* Files f0..f7, each in one of a few folders, with lines that are told by number. */
struct tree_file {
    bool there;
    unsigned folder;
    unsigned name;
    bool exec;
    unsigned lines[LINES];
    unsigned n;
};

static void random_file(struct tree_file *f, unsigned name)
{
    *f = (struct tree_file){.there = chance(5) != 0, .folder = chance(4), .name = name};
    f->n = 4 + chance(LINES - 4);
    for (unsigned i = 0; i < f->n; i++)
        f->lines[i] = chance(1000);
}

static void mutate_file(struct tree_file *f)
{
    switch (chance(9)) {
    case 0:
        f->there = !f->there;
        break;
    case 1:
        f->folder = chance(4);
        break;
    case 2:
        f->name = FILES + chance(3) * FILES + f->name % FILES;
        break;
    case 3:
        f->exec = !f->exec;
        break;
    case 4:
    case 5:
        f->lines[chance(f->n)] = chance(1000);
        break;
    case 6:
        f->folder = chance(4);
        f->lines[chance(f->n)] = chance(1000);
        break;
    default:
        break;
    }
}

static void commit_files(struct repo *r, const struct tree_file *files, const git_oid *parent,
                         git_oid *commit, struct merge_oid *tree)
{
    static const char *const folders[] = {"", "src", "src/deep", "lib"};
    git_index *index;
    assert_int_equal(git_index_new(&index), 0);
    for (unsigned i = 0; i < FILES; i++) {
        const struct tree_file *f = &files[i];
        if (!f->there)
            continue;
        cleanup_str struct str text = STR_INIT, path = STR_INIT;
        for (unsigned k = 0; k < f->n; k++)
            str_addf(&text, "line number %u of it\n", f->lines[k]);
        str_addf(&path, "%s%sf%u", folders[f->folder], f->folder ? "/" : "", f->name);
        git_index_entry e = {.mode = f->exec ? 0100755 : 0100644, .path = path.p};
        assert_int_equal(git_odb_write(&e.id, r->odb, text.p, text.len, GIT_OBJECT_BLOB), 0);
        assert_int_equal(git_index_add(index, &e), 0);
    }
    git_oid id;
    assert_int_equal(git_index_write_tree_to(&id, index, r->repo), 0);
    memcpy(tree->id, id.id, MERGE_OID_LEN);
    git_index_free(index);
    cleanup_str struct str text = STR_INIT;
    str_addf(&text, "tree %s\n", git_oid_tostr_s(&id));
    if (parent)
        str_addf(&text, "parent %s\n", git_oid_tostr_s(parent));
    str_adds(&text, "author a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\nx\n");
    assert_int_equal(git_odb_write(commit, r->odb, text.p, text.len, GIT_OBJECT_COMMIT), 0);
}

static bool compare_tree(struct repo *r, const char *folder, const struct tree_file v[3][FILES])
{
    git_oid commits[3];
    struct merge_oid trees[3];
    for (int i = 0; i < 3; i++)
        commit_files(r, v[i], i ? &commits[0] : NULL, &commits[i], &trees[i]);
    char local[GIT_OID_HEXSZ + 1], canonical[GIT_OID_HEXSZ + 1];
    git_oid_tostr(local, sizeof local, &commits[1]);
    git_oid_tostr(canonical, sizeof canonical, &commits[2]);
    const char *const argv[] = {
        "git",        "-C",           folder,          "-c",  "merge.directoryRenames=false",
        "merge-tree", "--write-tree", "--no-messages", local, canonical,
        NULL};
    cleanup_str struct str want = STR_INIT;
    int status = run(argv, &want);
    struct merge_store store = {.ctx = r,
                                .read_tree = read_tree,
                                .read_blob = read_blob,
                                .write_blob = write_blob,
                                .write_tree = write_tree};
    struct merge_tree_opts opts = {.login = "ann"};
    struct merge_tree_result result = MERGE_TREE_RESULT_INIT;
    struct err err = ERR_INIT;
    assert_int_equal(merge_trees(&store, &trees[0], &trees[1], &trees[2], &opts, &result, &err), 0);
    if (status == 0) {
        git_oid id;
        memcpy(id.id, result.tree.id, MERGE_OID_LEN);
        assert_true(want.len >= GIT_OID_HEXSZ);
        want.p[GIT_OID_HEXSZ] = '\0';
        assert_string_equal(git_oid_tostr_s(&id), want.p);
        assert_int_equal(result.report.len, 0);
    }
    merge_tree_result_release(&result);
    return status == 0;
}

static void test_trees_as_git_merge_tree(void **state)
{
    (void)state;
    char folder[64];
    make_folder(folder);
    git_libgit2_init();
    struct repo r;
    assert_int_equal(git_repository_init(&r.repo, folder, 1), 0);
    assert_int_equal(git_repository_odb(&r.odb, r.repo), 0);
    unsigned clean = 0, all = rounds(ROUNDS_TREE);
    for (unsigned round = 0; round < all; round++) {
        struct tree_file v[3][FILES];
        state_of_chance = round * 104729u + 3;
        for (unsigned i = 0; i < FILES; i++) {
            random_file(&v[0][i], i);
            v[1][i] = v[2][i] = v[0][i];
            mutate_file(&v[1][i]);
            if (chance(2))
                mutate_file(&v[2][i]);
        }
        clean += compare_tree(&r, folder, v);
    }
    assert_true(clean > all / 10);
    git_odb_free(r.odb);
    git_repository_free(r.repo);
    git_libgit2_shutdown();
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_as_git_merge_file),
        cmocka_unit_test(test_trees_as_git_merge_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
