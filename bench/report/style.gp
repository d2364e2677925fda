# How every picture looks. `dark` is set before: 0 for paper and light screens, 1 for dark ones; and `heading`, the
# font of the picture's heading. Nine linetypes: the
# colours of Okabe and Ito, which the colour-blind can tell apart, each with a point shape of its own. On dark paper blue and
# black give way to lighter ones.

if (dark) { ink = "#e6e6e6"; faint = "#9a9a9a"; rule = "#3c4043"; paper = "#16191d" } \
else { ink = "#1a1a1a"; faint = "#6b6b6b"; rule = "#dddddd"; paper = "#ffffff" }

if (dark) { blue = "#5aa9e6"; sky = "#f0e442" } else { blue = "#0072b2"; sky = "#56b4e9" }
orange = "#e69f00"
green = dark ? "#1fc296" : "#009e73"
vermillion = dark ? "#ff7a33" : "#d55e00"
purple = "#cc79a7"

set linetype 1 linecolor rgb blue linewidth 1.6 pointtype 7
set linetype 2 linecolor rgb orange linewidth 1.6 pointtype 9
set linetype 3 linecolor rgb green linewidth 1.6 pointtype 13
set linetype 4 linecolor rgb vermillion linewidth 1.6 pointtype 5
set linetype 5 linecolor rgb purple linewidth 1.6 pointtype 11
set linetype 6 linecolor rgb sky linewidth 1.6 pointtype 15
set linetype 7 linecolor rgb ink linewidth 1.6 pointtype 6
set linetype 8 linecolor rgb faint linewidth 1.2 pointtype 2
set linetype 9 linecolor rgb rule linewidth 1 pointtype 1

set border 3 linecolor rgb faint linewidth 1
set tics nomirror out scale 0.6 textcolor rgb ink
set grid xtics ytics linetype 1 linecolor rgb rule linewidth 0.7
set xlabel textcolor rgb ink
set ylabel textcolor rgb ink
set y2label textcolor rgb ink
set title textcolor rgb ink
set key textcolor rgb ink noautotitle noenhanced
set errorbars 0
set pointsize 0.7
set style textbox opaque noborder fillcolor rgb paper margins 0.3,0.3
set boxwidth 1 absolute
set style fill solid 1 noborder
