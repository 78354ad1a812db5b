/* vectors.h: the folder of official test vectors.
 *
 * Tests list the files of a kind instead of naming them, so that the same tests run on another folder of the
 * same form: $DSDN_VECTORS/<kind>, by default ../shared/vectors/<kind> beside the source root
 * (DSDN_SOURCE_DIR). */
#ifndef DSDN_TESTS_VECTORS_H
#define DSDN_TESTS_VECTORS_H

#include <dirent.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Paths of the matching files, in order of their names. */
struct vector_files {
    char **paths;
    size_t cnt;
};

static inline int vector_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* vector_files_list lists the files of a kind ("crypto") whose names begin and end as given.  A folder that
 * is absent skips the running test; one that is there without a match fails it.  Free with vector_files_free.
 */
static inline struct vector_files vector_files_list(const char *kind, const char *prefix, const char *suffix)
{
    char folder[2048], path[4096];
    const char *root = getenv("DSDN_VECTORS");
    if (root)
        snprintf(folder, sizeof folder, "%s/%s", root, kind);
    else
        snprintf(folder, sizeof folder, "%s/../shared/vectors/%s", DSDN_SOURCE_DIR, kind);
    struct vector_files files = {NULL, 0};
    DIR *directory = opendir(folder);
    if (!directory) {
        print_message("no test vectors at %s: set DSDN_VECTORS to run this test\n", folder);
        skip();
        return files;
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        size_t len = strlen(entry->d_name);
        if (len < strlen(suffix) || strcmp(entry->d_name + len - strlen(suffix), suffix) != 0) continue;
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        files.paths = realloc(files.paths, (files.cnt + 1) * sizeof *files.paths);
        assert_non_null(files.paths);
        files.paths[files.cnt] = strdup(path);
        assert_non_null(files.paths[files.cnt++]);
    }
    closedir(directory);
    if (!files.cnt) fail_msg("no %s*%s in %s", prefix, suffix, folder);
    qsort(files.paths, files.cnt, sizeof *files.paths, vector_compare);
    return files;
}

static inline void vector_files_free(struct vector_files *files)
{
    for (size_t i = 0; i < files->cnt; i++) free(files->paths[i]);
    free(files->paths);
}

#endif
