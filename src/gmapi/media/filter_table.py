"""Which filters of libavfilter a request may use, and with which options.

An allow-list, drawn from ffmpeg 5.1 and 9.0 by asking each for all its filters and their options.
Left out is what opens or writes files (by name, or in what it was told to load), what talks to
hardware or the network, what makes pictures or sound out of nothing, what waits for the clock,
what sends commands to other filters, and what keeps or repeats frames without a bound.
A filter that an installed ffmpeg does not have is refused by ffmpeg itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


def words(text: str) -> frozenset[str]:
    """The words of a list written as text."""
    return frozenset(text.split())


ALLOWED = words("""
    a3dscope aap abitscope acompressor acontrast acopy acrossfade acrossover acrusher addroi
    adeclick adeclip adecorrelate adelay adenorm aderivative adrawgraph adrc adynamicequalizer
    adynamicsmooth aecho aemphasis aexciter afade afftdn afftfilt afir aformat afreqshift afwtdn
    agate agraphmonitor ahistogram aiir aintegral ainterleave alatency alimiter allpass
    alphaextract alphamerge amerge amix amplify amultiply anequalizer anlmdn anlmf anlms anull
    anullsink aphasemeter aphaser aphaseshift apsnr apsyclip apulsator aresample arls asdr
    asegment aselect asetnsamples asetpts asetrate asettb ashowinfo asidedata asisdr asoftclip
    aspectralstats asplit astats astreamselect asubboost asubcut asupercut asuperpass asuperstop
    atadenoise atempo atilt atrim avectorscope avgblur axcorrelate backgroundkey bandpass
    bandreject bass bbox bilateral biquad bitplanenoise blackdetect blackframe blend blockdetect
    blurdetect bm3d boxblur bs2b bwdif cas ccrepack channelmap channelsplit chorus chromahold
    chromakey chromanr chromashift ciescope codecview colorbalance colorchannelmixer
    colorcontrast colorcorrect colordetect colorhold colorize colorkey colorlevels colormap
    colormatrix colorspace colortemperature compand compensationdelay concat convolution
    convolve copy corr crop cropdetect crossfeed crystalizer curves datascope dblur dcshift
    dctdnoiz deband deblock decimate deconvolve dedot deesser deflate deflicker dejudder delogo
    deshake despill detelecine dialoguenhance dilation displace doubleweave drawbox drawgraph
    drawgrid drawtext drmeter dynaudnorm earwax ebur128 edgedetect elbg entropy epx eq equalizer
    erosion estdif exposure extractplanes extrastereo fade fftdnoiz fftfilt field fieldmatch
    fieldorder fillborders firequalizer flanger floodfill format fps framepack framestep
    freezedetect freezeframes fspp gblur gradfun graphmonitor grayworld greyedge guided haas
    haldclut hdcd headphone hflip highpass highshelf histeq histogram hqdn3d hqx hstack hsvhold
    hsvkey hue huesaturation hysteresis identity idet il inflate interlace interleave join
    kerndeint kirsch lagfun latency lenscorrection limitdiff limiter loudnorm lowpass lowshelf
    lumakey lut lut2 lutrgb lutyuv maskedclamp maskedmax maskedmerge maskedmin maskedthreshold
    maskfun mcompand median mergeplanes mestimate midequalizer mix monochrome morpho mpdecimate
    msad multiply negate nlmeans noformat noise normalize null nullsink oscilloscope overlay
    owdenoise pad palettegen paletteuse pan perspective phase photosensitivity pixelize pixscope
    pp7 premultiply premultiply_dynamic prewitt pseudocolor pullup qp readeia608 readvitc remap
    removegrain repeatfields replaygain rgbashift roberts rotate rubberband sab scale scale2ref
    scdet scharr scroll segment select selectivecolor separatefields setdar setfield setparams
    setpts setrange setsar settb shear showcqt showcwt showfreqs showinfo showpalette
    showspatial showspectrum showspectrumpic showvolume showwaves showwavespic shuffleframes
    shufflepixels shuffleplanes sidechaincompress sidechaingate sidedata signalstats
    silencedetect silenceremove siti smartblur sobel spectrumsynth speechnorm split spp stereo3d
    stereotools stereowiden streamselect super2xsai superequalizer surround swaprect swapuv
    tblend telecine thistogram threshold thumbnail tile tiltandshift tiltshelf tinterlace tlut2
    tmedian tmidequalizer tmix tonemap transpose treble tremolo trim unpremultiply unsharp
    untile v360 vaguedenoiser varblur vectorscope vflip vfrdet vibrance vibrato vif vignette
    virtualbass volume volumedetect vstack w3fdif waveform weave xbr xcorrelate xfade xmedian
    xstack yadif yaepblur zoompan zscale
    """)
"""Names of the filters that may be used."""

SIZE = "size"
"""A bound of picture sizes: no whole number of five or more digits, however it is written."""
RATE = "rate"
"""A bound of pictures per second: at most 1,000."""
TILES = "tiles"
"""A bound of numbers of pictures in one: columns x rows, at most 100 pictures."""
FONT = "font"
"""The name of a font family, perhaps with its style."""


@dataclass(frozen=True)
class FilterRule:
    """What is checked of one filter's options.

    `order` names the values that may be given by position; values beyond it must be given as
    name=value, so that nothing in `forbidden` is reached by position. None: any number.
    `bounds` limits single options: SIZE, RATE, TILES, FONT or the largest whole number allowed.
    """

    order: tuple[str, ...] | None = None
    forbidden: frozenset[str] = frozenset()
    bounds: Mapping[str, str | int] = field(default_factory=dict)


def _rule(order: str = "", forbidden: str = "", **bounds: str | int) -> FilterRule:
    return FilterRule(tuple(order.split()), frozenset(forbidden.split()), MappingProxyType(bounds))


_SIZE_S = {"size": SIZE, "s": SIZE}
_RATE_R = {"rate": RATE, "r": RATE}
_WIDE_HIGH = {"w": SIZE, "width": SIZE, "h": SIZE, "height": SIZE}
_SCALE = _rule(
    "w h flags interl size in_color_matrix out_color_matrix in_range out_range",
    **_WIDE_HIGH,
    **_SIZE_S,
)
_GRAPH = _rule("m1 fg1 m2 fg2 m3 fg3 m4 fg4 bg min max mode slide size rate", **_SIZE_S, **_RATE_R)
_STREAMS_MAX = 32
_STACK = _rule("inputs shortest", inputs=_STREAMS_MAX)
_SELECT = _rule("expr outputs", outputs=16, n=16)
_INTERLEAVE = _rule("nb_inputs duration", nb_inputs=_STREAMS_MAX, n=_STREAMS_MAX)
_STREAMSELECT = _rule("inputs map", inputs=_STREAMS_MAX)

RULES: Mapping[str, FilterRule] = MappingProxyType(
    {
        # Options that open or write files.
        "curves": _rule("preset master red green blue all", "psfile plot"),
        "deshake": _rule(
            "x y w h rx ry edge blocksize contrast search",
            "filename opencl",
        ),
        "drawtext": _rule("", "fontfile textfile", font=FONT),
        "firequalizer": _rule(
            "gain gain_entry delay accuracy wfunc fixed multi zero_phase scale", "dumpfile"
        ),
        "loudnorm": _rule(
            "I LRA TP measured_I measured_LRA measured_TP measured_thresh offset linear "
            "dual_mono print_format",
            "stats_file",
        ),
        "paletteuse": _rule("dither bayer_scale diff_mode new alpha_threshold", "debug_kdtree"),
        "selectivecolor": _rule(
            "correction_method reds yellows greens cyans blues magentas whites neutrals blacks",
            "psfile",
        ),
        "showcqt": _rule(
            "size fps bar_h axis_h sono_h fullhd",
            "fontfile axisfile",
            **_SIZE_S,
            **_RATE_R,
            fps=RATE,
            bar_h=SIZE,
            axis_h=SIZE,
            sono_h=SIZE,
            font=FONT,
            count=30,
        ),
        # Sizes of pictures.
        "crop": _rule("out_w out_h x y keep_aspect exact", **_WIDE_HIGH, out_w=SIZE, out_h=SIZE),
        "pad": _rule("width height x y color eval aspect", **_WIDE_HIGH, x=SIZE, y=SIZE),
        "rotate": _rule(
            "angle out_w out_h fillcolor bilinear", out_w=SIZE, ow=SIZE, out_h=SIZE, oh=SIZE
        ),
        "scale": _SCALE,
        "scale2ref": _SCALE,
        "swaprect": _rule("w h x1 y1 x2 y2", w=SIZE, h=SIZE),
        "v360": _rule("input output interp w h", w=SIZE, h=SIZE),
        "zoompan": _rule("zoom x y d s fps", s=SIZE, fps=RATE, d=SIZE),
        "zscale": _rule("w h size dither filter", **_WIDE_HIGH, **_SIZE_S),
        # Pictures made of sound or of measurements.
        "a3dscope": _rule("rate size", **_SIZE_S, **_RATE_R),
        "abitscope": _rule("rate size colors mode", **_SIZE_S, **_RATE_R),
        "adrawgraph": _GRAPH,
        "afir": _rule("dry wet length gtype", size=SIZE, rate=RATE),
        "agraphmonitor": _rule("size opacity mode flags rate", **_SIZE_S, **_RATE_R),
        "ahistogram": _rule("dmode rate size scale ascale acount", **_SIZE_S, **_RATE_R),
        "aiir": _rule(
            "zeros poles gains dry wet format process precision normalize mix response channel "
            "size rate",
            size=SIZE,
            rate=RATE,
        ),
        "anequalizer": _rule("params curves size mgain fscale colors", size=SIZE),
        "aphasemeter": _rule("rate size rc gc bc mpc video phasing", **_SIZE_S, **_RATE_R),
        "avectorscope": _rule(
            "mode rate size rc gc bc ac rf gf bf af zoom draw scale swap mirror",
            **_SIZE_S,
            **_RATE_R,
        ),
        "ciescope": _rule("system cie gamuts size intensity contrast", **_SIZE_S),
        "datascope": _rule("size x y mode axis opacity format components", **_SIZE_S),
        "drawgraph": _GRAPH,
        "ebur128": _rule(
            "video size meter framelog metadata peak dualmono panlaw target gauge scale",
            size=SIZE,
        ),
        "graphmonitor": _rule("size opacity mode flags rate", **_SIZE_S, **_RATE_R),
        "showcwt": _rule("size rate scale iscale", **_SIZE_S, **_RATE_R),
        "showfreqs": _rule("size rate mode ascale fscale win_size", **_SIZE_S, **_RATE_R),
        "showspatial": _rule("size win_size win_func", **_SIZE_S, **_RATE_R),
        "showspectrum": _rule(
            "size slide mode color scale fscale saturation win_func orientation overlap gain data "
            "rotation start stop fps legend drange limit opacity",
            **_SIZE_S,
            fps=RATE,
        ),
        "showspectrumpic": _rule(
            "size mode color scale fscale saturation win_func orientation gain legend", **_SIZE_S
        ),
        "showvolume": _rule("rate b w h f c t v dm dmc o s p m ds", **_RATE_R),
        "showwaves": _rule(
            "size mode n rate split_channels colors scale draw", **_SIZE_S, **_RATE_R
        ),
        "showwavespic": _rule("size split_channels colors scale draw filter", **_SIZE_S),
        # Numbers of pictures.
        "fps": _rule("fps start_time round eof_action", fps=RATE),
        "thumbnail": _rule("n", n=1000),
        "tile": _rule(
            "layout nb_frames margin padding color",
            layout=TILES,
            nb_frames=100,
            margin=1024,
            padding=1024,
            overlap=100,
            init_padding=100,
        ),
        "tmix": _rule("frames weights scale planes", frames=128),
        "untile": _rule("layout", layout=SIZE),
        # Numbers of inputs and outputs.
        "acrossfade": _rule("", inputs=_STREAMS_MAX, n=_STREAMS_MAX),
        "ainterleave": _INTERLEAVE,
        "amerge": _rule("inputs", inputs=_STREAMS_MAX),
        "amix": _rule("inputs duration dropout_transition weights normalize", inputs=_STREAMS_MAX),
        "aselect": _SELECT,
        "asplit": _rule("outputs", outputs=16),
        "astreamselect": _STREAMSELECT,
        "concat": _rule("n v a unsafe", n=_STREAMS_MAX, v=16, a=16),
        "hstack": _STACK,
        "interleave": _INTERLEAVE,
        "join": _rule("inputs channel_layout map", inputs=_STREAMS_MAX),
        "mix": _rule("inputs weights scale planes duration", inputs=_STREAMS_MAX),
        "select": _SELECT,
        "split": _rule("outputs", outputs=16),
        "streamselect": _STREAMSELECT,
        "vstack": _STACK,
        "xmedian": _rule("inputs planes percentile", inputs=_STREAMS_MAX),
        "xstack": _rule("inputs layout grid shortest fill", inputs=_STREAMS_MAX, grid=SIZE),
    }
)
"""Checks beyond those of every filter; a filter that is not named has none."""

THREADS = frozenset({"threads", "nb_threads"})
"""Options of many filters: at most 16."""

FORBIDDEN_PARTS = (
    "file", "path", "url", "addr", "plugin", "model", "librar", "device", "script", "socket",
    "command", "hw_frames",
)  # fmt: skip
"""An option of any filter with one of these in its name is refused, so that an option that a later
ffmpeg adds is not open by default ..."""
HARMLESS = frozenset({"profile"})
"""... but for these."""

_FILES = "filters here cannot open or write files"
_MEMORY = "it keeps or repeats frames without a bound"
_EXPRESSION = "an expression for every single pixel or sample takes too long"
HINTS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            words(
                "ametadata arnndn ass fieldhint find_rect frei0r ladspa libvmaf lut1d lut3d lv2 "
                "metadata movie amovie nnedi ocv psnr qrencode removelogo signature sofalizer "
                "ssim subtitles vidstabdetect vidstabtransform xpsnr"
            ),
            _FILES,
        ),
        **dict.fromkeys(words("loop aloop tpad apad reverse areverse random framerate"), _MEMORY),
        **dict.fromkeys(words("geq aeval"), _EXPRESSION),
        **dict.fromkeys(
            words("subtitles ass"),
            "subtitles are not drawn into videos; send them as a further input and add them as a "
            "track, such as -map 0 -map 1 -c:s mov_text",
        ),
        "minterpolate": "it takes too long; use fps or tblend instead",
        "movie": "send the media as a further input and name it as [1:v]",
        "amovie": "send the media as a further input and name it as [1:a]",
        "lut3d": "send the table as a picture, a further input, and use haldclut",
        "lut1d": "use curves or eq instead",
        "sendcmd": "give the filter's own options as expressions of the time t",
        "asendcmd": "give the filter's own options as expressions of the time t",
        "fifo": "it does nothing; leave it out",
        "afifo": "it does nothing; leave it out",
        "realtime": "it does nothing for a file; leave it out",
        "arealtime": "it does nothing for a file; leave it out",
        **dict.fromkeys(
            words(
                "color testsrc testsrc2 nullsrc smptebars gradients mandelbrot life rgbtestsrc "
                "anullsrc sine anoisesrc aevalsrc flite"
            ),
            "filters that make pictures or sound out of nothing never end; start from an input",
        ),
    }
)
"""Why a filter is refused and what to use instead, for those that people ask for."""
