"""Which options of the ffmpeg program a request may use, and what each one takes.

An allow-list, complete: an option that is not here is refused, also when a later ffmpeg knows it.
Left out is what names files or addresses, what chooses hardware, what never ends, and what steers
the program rather than the conversion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gmapi.media import option_values as values
from gmapi.media.command import INPUT_FORMATS
from gmapi.media.filter_table import words
from gmapi.media.filtergraph import Place
from gmapi.media.formats import OUTPUT_FORMATS


@dataclass(frozen=True)
class Option:
    """One option.

    `read` checks its value; None: it has none. `streams` says that ":" and a choice of streams may
    follow its name, `metadata` the same for owners of metadata. `becomes` is the spelling that
    ffmpeg gets, the same for all of an option's names. `graph`: the value is a filter graph.
    `dropped`: accepted because it is common in examples, and left out: the server decides it.
    """

    read: values.Reader | None = None
    streams: bool = False
    metadata: bool = False
    becomes: str | None = None
    graph: bool = False
    dropped: bool = False


VIDEO_ENCODERS = words("""
    libx264 libx264rgb h264 libopenh264 libx265 hevc libvpx vp8 libvpx-vp9 vp9 libaom-av1 libsvtav1
    librav1e av1 mpeg4 libxvid mpeg1video mpeg2video h261 h263 h263p flv flv1 msmpeg4 msmpeg4v2 wmv1
    wmv2 libtheora theora mjpeg ljpeg jpegls png apng gif bmp tiff targa qoi ppm pgm pgmyuv pam pbm
    libwebp libwebp_anim webp libjxl libjxl_anim jpeg2000 libopenjpeg ffv1 huffyuv ffvhuff utvideo
    magicyuv rawvideo prores prores_ks prores_aw dnxhd dvvideo cfhd hap qtrle cinepak zmbv flashsv
    flashsv2 snow svq1 roqvideo rv10 rv20 speedhq v210 asv1 asv2 msvideo1 amv
    """)
AUDIO_ENCODERS = words("""
    dfpwm aac libfdk_aac libmp3lame mp3 libshine libopus opus libvorbis vorbis flac alac ac3
    ac3_fixed eac3 dca mp2 mp2fixed libtwolame wavpack tta wmav1 wmav2 truehd mlp
    adpcm_adx adpcm_ima_qt adpcm_ima_wav adpcm_ms adpcm_swf adpcm_yamaha g722 g723_1 g726 g726le
    libspeex speex libgsm gsm libopencore_amrnb libvo_amrwbenc libilbc nellymoser real_144 roq_dpcm
    sbc aptx s302m pcm_alaw pcm_mulaw pcm_s8 pcm_u8 pcm_s16le pcm_s16be pcm_u16le pcm_u16be
    pcm_s24le pcm_s24be pcm_u24le pcm_u24be pcm_s32le pcm_s32be pcm_u32le pcm_u32be pcm_f32le
    pcm_f32be pcm_f64le pcm_f64be pcm_s16le_planar pcm_s8_planar pcm_vidc
    """)
SUBTITLE_ENCODERS = words("srt subrip ass ssa webvtt mov_text text ttml dvbsub dvdsub")
MUXERS = frozenset(each.muxer for each in OUTPUT_FORMATS.values()) | words("""
    3g2 3gp avif dts dv dvd f4v h261 h263 h264 hevc image2pipe ivf latm m4v mjpeg mpeg1video
    mpeg2video mxf oga ogv opus psp rawvideo rm spx swf u16le u16be u24le u24be u32le u32be f32be
    f64be s24be s32be vob voc wv g722 g726 gsm rso
    """)
_X264 = """
    8x8dct aq-mode aq-strength aud b-adapt b-bias b-pyramid bframes bluray-compat cabac
    chroma-qp-offset chroma-me chromaloc colormatrix colorprim crf crf-max dct-decimate
    deadzone-inter deadzone-intra deblock direct direct-pred fast-pskip force-cfr fps
    frame-packing interlaced intra-refresh ipratio keyint keyint-min level lookahead-threads
    mbtree me merange min-keyint mixed-refs nal-hrd nr open-gop partitions pbratio psy psy-rd qcomp
    qp qpmax qpmin qpstep range ratetol rc-lookahead ref sar scenecut slices sliced-threads subme
    subq sync-lookahead threads transfer trellis vbv-bufsize vbv-init vbv-maxrate videoformat
    weightb weightp bitrate cplxblur qblur mvrange slice-max-size
"""
_X265 = """
    amp aq-mode aq-strength aud b-adapt b-intra b-pyramid bframe-bias bframes bitrate cbqpoffs
    chromaloc colormatrix colorprim crf crf-max crf-min crqpoffs ctu cu-lossless cutree deblock
    early-skip fast-intra fps frame-threads gop-lookahead hdr hdr-opt hdr10 hdr10-opt high-tier hrd
    info interlace ipratio keyint level-idc limit-modes limit-refs limit-tu log-level lossless
    master-display max-cll max-merge max-tu-size me merange min-cu-size min-keyint
    nr-inter nr-intra open-gop overscan pbratio pmode pme pools psy-rd psy-rdoq qcomp qg-size qp
    qpmax qpmin qpstep range rc-lookahead rd rdoq-level rdpenalty rect ref repeat-headers rskip sao
    sar scenecut sign-hide slices strong-intra-smoothing subme temporal-mvp transfer tskip
    tu-inter-depth tu-intra-depth vbv-bufsize vbv-init vbv-maxrate videoformat weightb weightp wpp
"""
_SVTAV1 = """
    aq-mode bias-pct color-primaries color-range enable-cdef enable-dlf enable-overlays enable-qm
    enable-restoration enable-tf enable-variance-boost fast-decode film-grain film-grain-denoise
    hierarchical-levels irefresh-type keyint lookahead lp matrix-coefficients max-qp min-qp
    pred-struct qm-max qm-min scd scm sharpness tile-columns tile-rows transfer-characteristics tune
    variance-boost-strength variance-octile
"""

_OPTIONS: dict[str, Option] = {}


def _add(names: str, read: values.Reader | None = None, *, streams: bool = False,
         metadata: bool = False) -> None:  # fmt: skip
    for name in names.split():
        _OPTIONS[name] = Option(read, streams=streams, metadata=metadata)


def _alias(**names: str) -> None:
    """Other names of options: what they stand for, with the streams they are meant for."""
    for name, meant in names.items():
        target = _OPTIONS[meant.partition(":")[0]]
        own = ":" in meant
        _OPTIONS[name] = Option(
            target.read, target.streams and not own, becomes=meant, graph=target.graph
        )


_switch = values.integer(-1, 1, "true", "false", "auto")
_word = values.pattern(r"[A-Za-z0-9_.,:+-]{1,40}", "main")
_colour = values.pattern(r"[a-z0-9_-]{1,24}", "bt709")
_rate = values.amount(0, 1_000_000_000)

# Streams, their encoders and what is written about them.
_add("vn an sn dn shortest copyts start_at_zero bitexact ignore_unknown")
# Not -autoscale: it has a value in ffmpeg 5 and none in later ones. The same below for -autorotate.
_add("noautoscale copyinkf", streams=True)
_add("map", values.stream_map)
_add("map_metadata", values.metadata_source, metadata=True)
_add("map_chapters", values.chapter_source)
_add("metadata", values.metadata_text, metadata=True)
_add(
    "disposition",
    values.flags(
        "default dub original comment lyrics karaoke forced hearing_impaired visual_impaired "
        "clean_effects attached_pic captions descriptions dependent still_image"
    ),
    streams=True,
)
_add("c", values.codec(VIDEO_ENCODERS | AUDIO_ENCODERS | SUBTITLE_ENCODERS), streams=True)
_add("tag", values.pattern(r"[A-Za-z0-9_. ]{1,4}|0x[0-9a-fA-F]{1,8}", "hvc1"), streams=True)
_add(
    "bsf",
    values.bitstream_filters(
        "null aac_adtstoasc h264_mp4toannexb hevc_mp4toannexb vvc_mp4toannexb extract_extradata "
        "dump_extra mpeg4_unpack_bframes mp3decomp vp9_superframe vp9_superframe_split "
        "av1_frame_merge mov2textsub text2movsub mjpeg2jpeg dca_core eac3_core truehd_core "
        "remove_extra"
    ),
    streams=True,
)
_add("f", values.container(MUXERS))

# Times and sizes of the output.
_add("ss t to", values.duration())
_add("output_ts_offset", values.duration(negative=True))
_add("fs", values.amount(1, 1 << 40))
_add("frames", values.integer(1, 10_000_000), streams=True)
_add("muxdelay muxpreload", values.number(0, 10))
_add("max_muxing_queue_size", values.integer(1, 9999), streams=True)
_add(
    "avoid_negative_ts", values.one_of(words("auto disabled make_non_negative make_zero -1 0 1 2"))
)

# Filters.
for _name in ("filter", "filter_complex"):
    _OPTIONS[_name] = Option(streams=_name == "filter", graph=True)

# Pictures.
_add("r fpsmax", values.frame_rate, streams=True)
_add("s", values.picture_size, streams=True)
_add(
    "aspect",
    values.pattern(r"[0-9]{1,4}(?:\.[0-9]{1,6})?(?:[:/][0-9]{1,4})?", "16:9"),
    streams=True,
)
_add("pix_fmt", values.pixel_format, streams=True)
_add("fps_mode", values.one_of(words("passthrough cfr vfr auto")), streams=True)
_add(
    "field_order colorspace color_range color_primaries color_trc chroma_sample_location",
    _colour,
    streams=True,
)
_add(
    "sws_flags",
    values.flags(
        "fast_bilinear bilinear bicubic experimental neighbor area bicublin gauss sinc lanczos "
        "spline accurate_rnd full_chroma_int full_chroma_inp bitexact"
    ),
)
_add(
    "force_key_frames",
    values.key_frames,
    streams=True,
)
_add("timecode", values.pattern(r"[0-9]{2}(?:[:;.][0-9]{2}){3}", "00:00:00:00"))

# Sound.
_add("ar", values.amount(1, 768_000), streams=True)
_add("ac", values.integer(1, 64), streams=True)
_add("ch_layout", values.pattern(r"[A-Za-z0-9_.()+]{1,64}", "stereo"), streams=True)
_add(
    "sample_fmt",
    values.one_of(words("u8 s16 s32 s64 flt dbl u8p s16p s32p s64p fltp dblp")),
    streams=True,
)
_add("cutoff", values.integer(0, 96_000), streams=True)

# Rate and quality, common to many encoders.
_add("b maxrate minrate bufsize", _rate, streams=True)
_add("q", values.number(-1, 1000), streams=True)
_add("global_quality", values.integer(-1, 100_000), streams=True)
_add("crf crf_max", values.number(-1, 100), streams=True)
_add("qp", values.integer(-1, 255), streams=True)
_add("qmin qmax", values.integer(-1, 1024), streams=True)
_add("qdiff", values.integer(0, 1024), streams=True)
_add("qcomp qblur", values.number(-1, 100), streams=True)
_add("compression_level", values.integer(-1, 100), streams=True)
_add("preset tune profile level", _word, streams=True)
_add("g", values.integer(-1, 100_000), streams=True)
_add("keyint_min", values.integer(-1, 100_000), streams=True)
_add("bf refs", values.integer(-1, 32), streams=True)
_add("sc_threshold", values.integer(-1_000_000_000, 1_000_000_000), streams=True)
_add("subq trellis me_range b_strategy", values.integer(-1, 1024), streams=True)
_add("slices", values.integer(0, 64), streams=True)
_add(
    "flags",
    values.flags("mv4 qpel loop gray ildct low_delay global_header bitexact aic ilme cgop"),
    streams=True,
)
_add(
    "strict",
    values.integer(-2, 2, "very", "strict", "normal", "unofficial", "experimental"),
    streams=True,
)
_add("threads", values.integer(0, values.THREADS_MAX, "auto"), streams=True)

# Options of single encoders.
_add("x264-params x264opts", values.key_list(_X264), streams=True)
_add("x265-params", values.key_list(_X265), streams=True)
_add("svtav1-params", values.key_list(_SVTAV1), streams=True)
_add(
    "aq-mode rc-lookahead weightp lag-in-frames arnr-maxframes arnr-strength auto-alt-ref "
    "tile-columns tile-rows",
    values.integer(-1, 250),
    streams=True,
)
_add("aq-strength", values.number(-1, 10), streams=True)
_add("psy-rd deblock", values.pattern(r"-?[0-9.]{1,6}[:,]-?[0-9.]{1,6}", "1.0:0.0"), streams=True)
_add(
    "coder nal-hrd b-pyramid application usage vbr ch_mode aac_coder me_method motion-est",
    _colour,
    streams=True,
)
_add(
    "weightb psy mbtree 8x8dct aud intra-refresh row-mt frame-parallel dtx joint_stereo reservoir "
    "abr still-picture global_palette",
    _switch,
    streams=True,
)
_add("fec apply_phase_inv slicecrc", _switch, streams=True)
_add("tiles", values.pattern(r"[0-9]{1,2}x[0-9]{1,2}", "2x2"), streams=True)
_add("cpu-used speed", values.integer(-16, 16), streams=True)
_add("deadline", values.integer(0, 1_000_000, "best", "good", "realtime"), streams=True)
_add("quality", values.number(0, 1_000_000, "best", "good", "realtime"), streams=True)
_add("lossless", values.integer(-1, 1), streams=True)
_add("frame_duration", values.number(2.5, 120), streams=True)
_add("packet_loss", values.integer(0, 100), streams=True)
_add("mapping_family", values.integer(-1, 255), streams=True)
_add("context", values.integer(0, 1), streams=True)
_add("gifflags", values.flags("offsetting transdiff"), streams=True)
_add(
    "pred",
    values.one_of(words("none sub up avg paeth mixed left plane median 0 1 2 3 4 5")),
    streams=True,
)
_add("dpi", values.integer(0, 65_536), streams=True)
_add("bits_per_mb", values.integer(0, 8192), streams=True)
_add("vendor", values.pattern(r"[A-Za-z0-9]{4}", "apl0"), streams=True)

# Options of single containers.
_add(
    "movflags",
    values.flags(
        "faststart frag_keyframe frag_every_frame empty_moov separate_moof default_base_moof "
        "omit_tfhd_offset disable_chpl use_metadata_tags write_colr write_gama delay_moov cmaf "
        "negative_cts_offsets skip_sidx global_sidx skip_trailer hybrid_fragmented prefer_icc"
    ),
)
_add("brand", values.pattern(r"[A-Za-z0-9]{4}", "mp42"))
_add("frag_duration min_frag_duration page_duration", values.integer(0, 1_000_000_000))
_add("video_track_timescale movie_timescale", values.integer(0, 1_000_000))
_add("fflags", values.flags("bitexact flush_packets autobsf genpts"))
_add("id3v2_version", values.integer(0, 4))
_add("write_id3v1 write_xing write_tmcd cues_to_front mpegts_copyts update flush_packets", _switch)
_add("rf64", values.one_of(words("auto always never -1 0 1")))
_add("loop plays final_delay", values.number(-1, 65_535))
_add("start_number", values.integer(0, 1_000_000))

_alias(codec="c", vcodec="c:v", acodec="c:a", scodec="c:s", vf="filter:v", af="filter:a",
       lavfi="filter_complex", vframes="frames:v", aframes="frames:a", qscale="q", aq="q:a",
       vb="b:v", ab="b:a", vtag="tag:v", atag="tag:a", stag="tag:s",
       channel_layout="ch_layout")  # fmt: skip

# -vsync is gone from ffmpeg 8; its numbers are the modes of -fps_mode.
VSYNC_MODES = {"-1": "auto", "0": "passthrough", "1": "cfr", "2": "vfr"}


def _vsync(value: str, place: Place) -> str:
    mode = VSYNC_MODES.get(value, value)
    return values.one_of(frozenset(VSYNC_MODES.values()))(mode, place)


_OPTIONS["vsync"] = Option(_vsync, becomes="fps_mode")
for _name in words("y hide_banner nostdin stats nostats"):
    _OPTIONS[_name] = Option(dropped=True)
for _name in words("loglevel v"):
    _OPTIONS[_name] = Option(
        values.one_of(words("quiet panic fatal error warning info")), dropped=True
    )

OUTPUT_OPTIONS: Mapping[str, Option] = MappingProxyType(_OPTIONS)
"""Options of the output, by name without "-"."""

DEMUXERS = frozenset(INPUT_FORMATS) | words("mp4 m4a 3gp 3g2 mj2 webm rawvideo")
INPUT_OPTIONS: Mapping[str, Option] = MappingProxyType(
    {
        **dict.fromkeys(("ss", "t", "to"), Option(values.duration())),
        "sseof": Option(values.pattern(r"-[0-9:.]{1,20}", "-10")),
        "itsoffset": Option(values.duration(negative=True)),
        "f": Option(values.container(DEMUXERS)),
        "ar": Option(values.amount(1, 768_000)),
        "sample_rate": Option(values.amount(1, 768_000)),
        "ac": Option(values.integer(1, 64)),
        "ch_layout": Option(_OPTIONS["ch_layout"].read),
        "channel_layout": Option(_OPTIONS["ch_layout"].read, becomes="ch_layout"),
        **dict.fromkeys(("r", "framerate"), Option(values.frame_rate)),
        "s": Option(values.picture_size),
        "video_size": Option(values.picture_size),
        "pix_fmt": Option(values.pixel_format),
        "loop": Option(values.integer(0, 1)),
        # How much of a source is looked at, and what is forgiven.
        "probesize": Option(values.amount(32, 100_000_000)),
        "analyzeduration": Option(values.amount(0, 100_000_000)),
        "thread_queue_size": Option(values.integer(1, 4096)),
        "fflags": Option(
            values.flags("genpts igndts ignidx discardcorrupt nofillin noparse sortdts bitexact")
        ),
        "err_detect": Option(
            values.flags("crccheck bitstream buffer explode ignore_err careful compliant")
        ),
        **dict.fromkeys(
            ("an", "vn", "sn", "dn", "accurate_seek", "noaccurate_seek", "noautorotate"),
            Option(),
        ),
    }
)  # fmt: skip
"""Options of an input, by name without "-"."""

_CPU = "this server converts on the CPU"
_ITS_OWN = "the server decides this by itself"
_FILES = "options cannot name files of the server"
_ENDLESS = "it can make a conversion endless"
HINTS: Mapping[str, str] = MappingProxyType(
    {
        "i": "give the address of a source in input_url, further ones in input_urls",
        "n": "every output is a new file",
        "stream_loop": _ENDLESS,
        "re": "files are converted as fast as possible",
        "readrate": "files are converted as fast as possible",
        "pass": "give a bit rate with -b:v or a quality with -crf in one pass",
        "map_channel": "use the filter pan, such as -af pan=mono|c0=FL",
        "vol": "use -af volume=0.5",
        "apad": "it makes sound without an end; give the length with -t",
        "async": "use -af aresample=async=1",
        "deinterlace": "use -vf yadif",
        "nodisp": "the output is a file",
        **dict.fromkeys(
            words(
                "sseof itsoffset accurate_seek noaccurate_seek framerate video_size sample_rate "
                "probesize analyzeduration thread_queue_size err_detect"
            ),
            "it belongs before the input: give it in input_args",
        ),
        **dict.fromkeys(
            words(
                "hwaccel hwaccel_device hwaccel_output_format init_hw_device filter_hw_device "
                "vaapi_device qsv_device gpu"
            ),
            _CPU,
        ),
        **dict.fromkeys(
            words(
                "progress report debug cpuflags max_alloc protocol_whitelist "
                "format_whitelist max_pixels timelimit benchmark stats_period print_graphs"
            ),
            _ITS_OWN,
        ),
        **dict.fromkeys(
            words(
                "attach dump_attachment pre fpre vpre apre spre passlogfile vstats vstats_file "
                "sdp_file stats_enc_pre stats_enc_post stats_mux_pre x265-stats print_graphs_file"
            ),
            _FILES,
        ),
        "safe": values.CONCAT,
        "filter_script": "give the graph itself with -vf or -af",
        "filter_complex_script": "give the graph itself with -filter_complex",
    }
)
"""Why an option is refused and what to use instead, for those that people ask for."""
