#include "apps/replay/progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SECOND    UINT64_C(1000000000)
#define REDRAW_NS (SECOND / 10)
#define BAR_MAX   40
#define LINE_MAX  160

uint64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static bool dumb_terminal(void)
{
    const char *term = getenv("TERM");
    return !term || strcmp(term, "dumb") == 0;
}

bool use_color(const struct options *options)
{
    const char *no = getenv("NO_COLOR");
    return !options->no_color && !(no && *no) && isatty(STDERR_FILENO) && !dumb_terminal();
}

int progress_start(struct progress *p, const struct options *options, const char *verb, uint64_t total,
                   struct dsdn_error *error)
{
    const char *when = options->progress ? options->progress : "auto";
    bool always = strcmp(when, "always") == 0;
    if (!always && strcmp(when, "never") != 0 && strcmp(when, "auto") != 0)
        return dsdn_fail(error, DSDN_E_USAGE, "--progress wants auto, always or never, not \"%.40s\"", when);
    bool automatic =
        strcmp(when, "auto") == 0 && !options->quiet && isatty(STDERR_FILENO) && !dumb_terminal();
    *p = (struct progress){
        .on = always || automatic, .color = use_color(options), .verb = verb, .total = total};
    p->begun = p->last = clock_ns();
    return DSDN_OK;
}

static int columns(void)
{
    struct winsize w;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col == 0) return 80;
    return w.ws_col < LINE_MAX ? w.ws_col : LINE_MAX;
}

static void format_count(uint64_t n, char *out, size_t cap)
{
    static const char units[] = " kMGT";
    unsigned unit = 0;
    uint64_t tenths = n > UINT64_MAX / 10 ? UINT64_MAX : n * 10;
    for (; tenths >= 10000 && unit < sizeof units - 2; unit++) tenths /= 1000;
    if (!unit)
        snprintf(out, cap, "%llu", (unsigned long long)n);
    else
        snprintf(out, cap, "%llu.%llu%c", (unsigned long long)tenths / 10, (unsigned long long)tenths % 10,
                 units[unit]);
}

static void format_time(uint64_t seconds, char *out, size_t cap)
{
    if (seconds >= 3600)
        snprintf(out, cap, "%lluh%02um", (unsigned long long)(seconds / 3600), (unsigned)(seconds / 60 % 60));
    else
        snprintf(out, cap, "%u:%02u", (unsigned)(seconds / 60), (unsigned)(seconds % 60));
}

/* A bar of `width` cells in eighths, as UTF-8. */
static void draw_bar(char *out, size_t cap, unsigned permille, int width)
{
    static const char *const part[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    unsigned eighths = permille * (unsigned)width * 8 / 1000;
    size_t len = 0;
    for (int i = 0; i < width && len + 4 < cap; i++) {
        const char *cell = eighths >= 8 ? "█" : part[eighths];
        eighths = eighths >= 8 ? eighths - 8 : 0;
        len += (size_t)snprintf(out + len, cap - len, "%s", cell);
    }
}

static void draw(struct progress *p, uint64_t done, uint64_t events, uint64_t now)
{
    uint64_t elapsed = now - p->begun;
    char count[24], rate[24], left[24], bar[BAR_MAX * 4 + 1] = "", text[96];
    format_count(events, count, sizeof count);
    format_count(elapsed ? (uint64_t)((double)events * (double)SECOND / (double)elapsed) : 0, rate,
                 sizeof rate);
    if (!p->total || !done) {
        format_time(elapsed / SECOND, left, sizeof left);
        fprintf(stderr, "\r\033[K%s  %s events  %s/s  %s", p->verb, count, rate, left);
    } else {
        double part = done >= p->total ? 1.0 : (double)done / (double)p->total;
        format_time((uint64_t)((double)elapsed / (double)SECOND * (1.0 - part) / part), left, sizeof left);
        int len = snprintf(text, sizeof text, "%3u%%  %s events  %s/s  %s left", (unsigned)(part * 100),
                           count, rate, left);
        int room = columns() - (int)strlen(p->verb) - len - 6;
        if (room > BAR_MAX) room = BAR_MAX;
        if (room >= 4) draw_bar(bar, sizeof bar, (unsigned)(part * 1000), room);
        fprintf(stderr, "\r\033[K%s %s%s%s %s", p->verb, p->color ? "\033[36m" : "", bar,
                p->color ? "\033[0m" : "", text);
    }
    fflush(stderr);
    p->drawn = true;
}

void progress_at(struct progress *p, uint64_t done, uint64_t events)
{
    if (!p->on) return;
    uint64_t now = clock_ns();
    if (now - p->last < REDRAW_NS) return;
    p->last = now;
    draw(p, done, events, now);
}

void progress_hide(struct progress *p)
{
    if (!p->drawn) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->drawn = false;
}
