/*
 * libspice-server as a peer of bench.display: plays pictures to its viewers through the QXL interface.
 *
 * It reads lines and answers each with one line, but for `frame`, which has no answer:
 *
 *   open PORT FILE   listen on a port of 127.0.0.1; the file holds the pictures (see bench/pictures.py)
 *   frame N          draw the Nth frame
 *   typing RATE      draw a glyph that many times a second, each at another place
 *   scroll RATE      move a window's text up by one line and draw the new line, that many times a second
 *   stop             do no more of it; the answer says how often it was done
 *
 * The sizes and counts of the pictures are given by the compiler's command line. Two threads: this one has the core
 * interface and the clock; the library's worker fetches the drawings, from a ring under a mutex.
 */

#define _GNU_SOURCE
#include <inttypes.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <spice.h>

#define MAX_WATCHES 1024
#define MAX_WAITING 256

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* The core interface: what the library wants to be told of descriptors and times. */

struct SpiceWatch {
    int fd;
    int events;
    SpiceWatchFunc call;
    void *opaque;
};

struct SpiceTimer {
    int64_t due; /* ns; 0 if it does not run */
    SpiceTimerFunc call;
    void *opaque;
    SpiceTimer *next;
};

static SpiceWatch *watches[MAX_WATCHES];
static int watch_count;
static SpiceTimer *timers;

static SpiceWatch *watch_add(int fd, int events, SpiceWatchFunc call, void *opaque)
{
    if (watch_count == MAX_WATCHES)
        fail("too many connections");
    SpiceWatch *watch = malloc(sizeof *watch);
    *watch = (SpiceWatch){fd, events, call, opaque};
    watches[watch_count++] = watch;
    return watch;
}

static void watch_update_mask(SpiceWatch *watch, int events)
{
    watch->events = events;
}

static void watch_remove(SpiceWatch *watch)
{
    for (int i = 0; i < watch_count; i++)
        if (watches[i] == watch)
            watches[i] = watches[--watch_count];
    free(watch);
}

static SpiceTimer *timer_add(SpiceTimerFunc call, void *opaque)
{
    SpiceTimer *timer = malloc(sizeof *timer);
    *timer = (SpiceTimer){0, call, opaque, timers};
    return timers = timer;
}

static void timer_start(SpiceTimer *timer, uint32_t ms)
{
    timer->due = now_ns() + ms * INT64_C(1000000);
}

static void timer_cancel(SpiceTimer *timer)
{
    timer->due = 0;
}

static void timer_remove(SpiceTimer *timer)
{
    SpiceTimer **link = &timers;
    while (*link != timer)
        link = &(*link)->next;
    *link = timer->next;
    free(timer);
}

static void channel_event(int event, SpiceChannelEventInfo *info)
{
    (void)event, (void)info;
}

static SpiceCoreInterface core = {
    .base = {SPICE_INTERFACE_CORE, "bench", SPICE_INTERFACE_CORE_MAJOR, SPICE_INTERFACE_CORE_MINOR},
    .timer_add = timer_add,
    .timer_start = timer_start,
    .timer_cancel = timer_cancel,
    .timer_remove = timer_remove,
    .watch_add = watch_add,
    .watch_update_mask = watch_update_mask,
    .watch_remove = watch_remove,
    .channel_event = channel_event,
};

/* The device: drawings that wait for the worker. */

struct drawing {
    QXLDrawable drawable;
    QXLImage image;
};

static QXLInstance device;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct drawing *waiting[MAX_WAITING];
static unsigned first, count;
static int wake_wanted;

static void leave(struct drawing *drawing)
{
    pthread_mutex_lock(&mutex);
    if (count == MAX_WAITING) {
        free(drawing);
        pthread_mutex_unlock(&mutex);
        return;
    }
    waiting[(first + count++) % MAX_WAITING] = drawing;
    int wake = wake_wanted;
    wake_wanted = 0;
    pthread_mutex_unlock(&mutex);
    if (wake)
        spice_qxl_wakeup(&device);
}

static int get_command(QXLInstance *instance, QXLCommandExt *command)
{
    (void)instance;
    pthread_mutex_lock(&mutex);
    int found = count > 0;
    if (found) {
        *command = (QXLCommandExt){.cmd = {.data = (uintptr_t)waiting[first], .type = QXL_CMD_DRAW}};
        first = (first + 1) % MAX_WAITING;
        count--;
    }
    pthread_mutex_unlock(&mutex);
    return found;
}

static int req_cmd_notification(QXLInstance *instance)
{
    (void)instance;
    pthread_mutex_lock(&mutex);
    wake_wanted = count == 0;
    pthread_mutex_unlock(&mutex);
    return wake_wanted;
}

static void release_resource(QXLInstance *instance, QXLReleaseInfoExt released)
{
    (void)instance;
    free((void *)(uintptr_t)released.info->id);
}

static void attached_worker(QXLInstance *instance)
{
    (void)instance;
}

static void set_compression_level(QXLInstance *instance, int level)
{
    (void)instance, (void)level;
}

static void get_init_info(QXLInstance *instance, QXLDevInitInfo *info)
{
    (void)instance;
    *info = (QXLDevInitInfo){
        .num_memslots_groups = 1, .num_memslots = 1, .memslot_gen_bits = 1, .memslot_id_bits = 1,
        .qxl_ram_size = 64 << 20, .n_surfaces = 1,
    };
}

static int get_cursor_command(QXLInstance *instance, QXLCommandExt *command)
{
    (void)instance, (void)command;
    return 0;
}

static int req_cursor_notification(QXLInstance *instance)
{
    (void)instance;
    return 1;
}

static void notify_update(QXLInstance *instance, uint32_t number)
{
    (void)instance, (void)number;
}

static int flush_resources(QXLInstance *instance)
{
    (void)instance;
    return 0;
}

static void async_complete(QXLInstance *instance, uint64_t cookie)
{
    (void)instance, (void)cookie;
}

static void update_area_complete(QXLInstance *instance, uint32_t surface, QXLRect *rects, uint32_t number)
{
    (void)instance, (void)surface, (void)rects, (void)number;
}

static void set_client_capabilities(QXLInstance *instance, uint8_t present, uint8_t capabilities[SPICE_CAPABILITIES_SIZE])
{
    (void)instance, (void)present, (void)capabilities;
}

static int client_monitors_config(QXLInstance *instance, VDAgentMonitorsConfig *config)
{
    (void)instance, (void)config;
    return 0;
}

static const QXLInterface qxl = {
    .base = {SPICE_INTERFACE_QXL, "bench", SPICE_INTERFACE_QXL_MAJOR, SPICE_INTERFACE_QXL_MINOR},
    .attached_worker = attached_worker,
    .set_compression_level = set_compression_level,
    .get_init_info = get_init_info,
    .get_command = get_command,
    .req_cmd_notification = req_cmd_notification,
    .release_resource = release_resource,
    .get_cursor_command = get_cursor_command,
    .req_cursor_notification = req_cursor_notification,
    .notify_update = notify_update,
    .flush_resources = flush_resources,
    .async_complete = async_complete,
    .update_area_complete = update_area_complete,
    .set_client_capabilities = set_client_capabilities,
    .client_monitors_config = client_monitors_config,
};

/* The drawings. */

static uint8_t *pictures;

static struct drawing *make(uint8_t type, int x, int y, int width, int height)
{
    struct drawing *drawing = calloc(1, sizeof *drawing);
    QXLDrawable *drawable = &drawing->drawable;
    drawable->release_info.id = (uintptr_t)drawing;
    drawable->effect = QXL_EFFECT_OPAQUE;
    drawable->type = type;
    drawable->bbox = (QXLRect){.left = x, .top = y, .right = x + width, .bottom = y + height};
    drawable->clip.type = SPICE_CLIP_TYPE_NONE;
    drawable->mm_time = now_ns() / 1000000;
    for (int i = 0; i < 3; i++)
        drawable->surfaces_dest[i] = -1;
    return drawing;
}

static void draw_image(int x, int y, int width, int height, const uint8_t *pixels)
{
    static uint32_t images;
    struct drawing *drawing = make(QXL_DRAW_COPY, x, y, width, height);
    QXLImage *image = &drawing->image;
    QXL_SET_IMAGE_ID(image, QXL_IMAGE_GROUP_DRIVER_DONT_CACHE, ++images);
    image->descriptor.type = SPICE_IMAGE_TYPE_BITMAP;
    image->descriptor.width = width;
    image->descriptor.height = height;
    image->bitmap = (QXLBitmap){
        .format = SPICE_BITMAP_FMT_32BIT, .flags = QXL_BITMAP_DIRECT | QXL_BITMAP_TOP_DOWN,
        .x = width, .y = height, .stride = 4 * width, .data = (uintptr_t)pixels,
    };
    drawing->drawable.u.copy = (QXLCopy){
        .src_bitmap = (uintptr_t)image,
        .src_area = {.right = width, .bottom = height},
        .rop_descriptor = SPICE_ROPD_OP_PUT,
    };
    leave(drawing);
}

static void copy_area(int x, int y, int width, int height, int from_x, int from_y)
{
    struct drawing *drawing = make(QXL_COPY_BITS, x, y, width, height);
    drawing->drawable.u.copy_bits.src_pos = (QXLPoint){from_x, from_y};
    leave(drawing);
}

static void draw_frame(unsigned number)
{
    draw_image(0, 0, WIDTH, HEIGHT, pictures + (size_t)(number % FRAMES) * 4 * WIDTH * HEIGHT);
}

static void draw_glyph(unsigned number)
{
    const uint8_t *glyphs = pictures + (size_t)FRAMES * 4 * WIDTH * HEIGHT;
    unsigned columns = WIDTH / GLYPH_WIDTH, rows = HEIGHT / GLYPH_HEIGHT;
    draw_image(number % columns * GLYPH_WIDTH, number / columns % rows * GLYPH_HEIGHT, GLYPH_WIDTH, GLYPH_HEIGHT,
               glyphs + (size_t)(number % GLYPHS) * 4 * GLYPH_WIDTH * GLYPH_HEIGHT);
}

static void scroll(unsigned number)
{
    const uint8_t *lines = pictures + (size_t)FRAMES * 4 * WIDTH * HEIGHT + (size_t)GLYPHS * 4 * GLYPH_WIDTH * GLYPH_HEIGHT;
    copy_area(0, 0, LINE_WIDTH, SCROLLED, 0, GLYPH_HEIGHT);
    draw_image(0, SCROLLED, LINE_WIDTH, GLYPH_HEIGHT, lines + (size_t)(number % LINES) * 4 * LINE_WIDTH * GLYPH_HEIGHT);
}

/* The clock and the commands. */

static void (*work)(unsigned);
static unsigned done;
static int64_t period, due;

static void begin(void (*what)(unsigned), int rate)
{
    work = what;
    done = 0;
    period = INT64_C(1000000000) / rate;
    due = now_ns();
}

static void open_server(int port, const char *file)
{
    int fd = open(file, O_RDONLY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        fail("cannot open the pictures");
    pictures = mmap(NULL, status.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (pictures == MAP_FAILED)
        fail("cannot map the pictures");
    close(fd);

    SpiceServer *server = spice_server_new();
    spice_server_set_addr(server, "127.0.0.1", SPICE_ADDR_FLAG_IPV4_ONLY);
    spice_server_set_port(server, port);
    spice_server_set_noauth(server);
    spice_server_set_image_compression(server, SPICE_IMAGE_COMPRESSION_LZ);
    spice_server_set_jpeg_compression(server, SPICE_WAN_COMPRESSION_NEVER);
    spice_server_set_zlib_glz_compression(server, SPICE_WAN_COMPRESSION_NEVER);
    spice_server_set_streaming_video(server, SPICE_STREAM_VIDEO_OFF);
    if (spice_server_init(server, &core) != 0)
        fail("cannot listen");
    device.base.sif = &qxl.base;
    if (spice_server_add_interface(server, &device.base) != 0)
        fail("the library does not take the device");
    QXLDevMemSlot everything = {.virt_end = UINTPTR_MAX};
    spice_qxl_add_memslot(&device, &everything);
    QXLDevSurfaceCreate surface = {
        .width = WIDTH, .height = HEIGHT, .stride = 4 * WIDTH, .format = SPICE_SURFACE_FMT_32_xRGB,
        .mouse_mode = 1, .type = QXL_SURF_TYPE_PRIMARY, .mem = (uintptr_t)calloc(HEIGHT, 4 * WIDTH),
    };
    spice_qxl_create_primary_surface(&device, 0, &surface);
    spice_server_vm_start(server);
}

static void obey(const char *line)
{
    int number;
    char file[4096];
    if (sscanf(line, "frame %d", &number) == 1) {
        draw_frame(number);
        return;
    }
    if (sscanf(line, "open %d %4095s", &number, file) == 2) {
        open_server(number, file);
        printf("opened\n");
    } else if (sscanf(line, "typing %d", &number) == 1 && number > 0) {
        begin(draw_glyph, number);
        printf("begun\n");
    } else if (sscanf(line, "scroll %d", &number) == 1 && number > 0) {
        begin(scroll, number);
        printf("begun\n");
    } else if (strcmp(line, "stop") == 0) {
        work = NULL;
        printf("%u\n", done);
    } else {
        printf("what is %s?\n", line);
    }
    fflush(stdout);
}

static void read_commands(void)
{
    static char buffer[8192];
    static size_t filled;
    ssize_t size = read(STDIN_FILENO, buffer + filled, sizeof buffer - filled - 1);
    if (size <= 0)
        exit(0);
    filled += size;
    buffer[filled] = '\0';
    char *line = buffer;
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        obey(line);
    }
    filled -= line - buffer;
    memmove(buffer, line, filled);
}

/* Returns the earliest time at which something is to be done, in ns; 0 if there is nothing. */
static int64_t next_due(void)
{
    int64_t earliest = work ? due : 0;
    for (SpiceTimer *timer = timers; timer; timer = timer->next)
        if (timer->due && (!earliest || timer->due < earliest))
            earliest = timer->due;
    return earliest;
}

static void wait_for_events(struct pollfd *polled, int number)
{
    struct timespec rest = {0};
    int64_t at = next_due();
    if (at) {
        int64_t left = at - now_ns();
        left = left < 0 ? 0 : left;
        rest = (struct timespec){left / 1000000000, left % 1000000000};
    }
    if (ppoll(polled, number, at ? &rest : NULL, NULL) < 0)
        fail("ppoll fails");
}

static int is_watched(SpiceWatch *watch)
{
    for (int i = 0; i < watch_count; i++)
        if (watches[i] == watch)
            return 1;
    return 0;
}

static void run_watches(SpiceWatch **polled_watches, struct pollfd *polled, int number)
{
    for (int i = 0; i < number; i++) {
        SpiceWatch *watch = polled_watches[i];
        if (!polled[i].revents || !is_watched(watch))
            continue;
        int happened = (polled[i].revents & POLLOUT ? SPICE_WATCH_EVENT_WRITE : 0)
                     | (polled[i].revents & ~POLLOUT ? SPICE_WATCH_EVENT_READ : 0);
        watch->call(watch->fd, happened, watch->opaque);
    }
}

static void run_timers(void)
{
    for (;;) {
        int64_t now = now_ns();
        SpiceTimer *timer = timers;
        while (timer && !(timer->due && timer->due <= now))
            timer = timer->next;
        if (!timer)
            return;
        timer->due = 0;
        timer->call(timer->opaque);
    }
}

static void run_work(void)
{
    int64_t now = now_ns();
    if (due < now - INT64_C(1000000000))
        due = now - INT64_C(1000000000);
    while (work && due <= now) {
        work(done++);
        due += period;
    }
}

int main(void)
{
    for (;;) {
        SpiceWatch *polled_watches[MAX_WATCHES];
        struct pollfd polled[MAX_WATCHES + 1];
        int number = watch_count;
        for (int i = 0; i < number; i++) {
            SpiceWatch *watch = polled_watches[i] = watches[i];
            short events = (watch->events & SPICE_WATCH_EVENT_READ ? POLLIN : 0)
                         | (watch->events & SPICE_WATCH_EVENT_WRITE ? POLLOUT : 0);
            polled[i] = (struct pollfd){events ? watch->fd : -1, events, 0};
        }
        polled[number] = (struct pollfd){STDIN_FILENO, POLLIN, 0};
        wait_for_events(polled, number + 1);
        run_watches(polled_watches, polled, number);
        run_timers();
        run_work();
        if (polled[number].revents)
            read_commands();
    }
}
