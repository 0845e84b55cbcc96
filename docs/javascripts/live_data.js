// Written by python -m benchmarks.live
window.validstatsLive = {
 "labels": {
  "title": "A pass rate with a judge",
  "knob": "human labels",
  "usual": "judge alone",
  "ours": "corrected",
  "promised": 0.95,
  "points": [
   {
    "place": "20",
    "usual": 0.0,
    "ours": 0.975,
    "words": "our interval is 37 points long"
   },
   {
    "place": "40",
    "usual": 0.0,
    "ours": 0.975,
    "words": "our interval is 27 points long"
   },
   {
    "place": "80",
    "usual": 0.0,
    "ours": 1.0,
    "words": "our interval is 18 points long"
   },
   {
    "place": "160",
    "usual": 0.0,
    "ours": 0.925,
    "words": "our interval is 13 points long"
   },
   {
    "place": "320",
    "usual": 0.0,
    "ours": 0.925,
    "words": "our interval is 9 points long"
   }
  ]
 },
 "judge": {
  "title": "A judge that lets bad answers pass",
  "knob": "share that it lets pass",
  "usual": "judge alone",
  "ours": "corrected by 100 labels",
  "promised": 0.95,
  "points": [
   {
    "place": "0%",
    "usual": 0.425,
    "ours": 0.975,
    "words": "our interval is 11 points long"
   },
   {
    "place": "10%",
    "usual": 0.925,
    "ours": 0.95,
    "words": "our interval is 13 points long"
   },
   {
    "place": "20%",
    "usual": 0.675,
    "ours": 0.975,
    "words": "our interval is 14 points long"
   },
   {
    "place": "40%",
    "usual": 0.0,
    "ours": 0.95,
    "words": "our interval is 16 points long"
   },
   {
    "place": "70%",
    "usual": 0.0,
    "ours": 0.975,
    "words": "our interval is 18 points long"
   }
  ]
 },
 "looks": {
  "title": "The best of many scores",
  "knob": "models scored on the same 1,000 rows",
  "usual": "interval of a single look",
  "ours": "interval after so many looks",
  "promised": 0.95,
  "points": [
   {
    "place": "1",
    "usual": 0.953,
    "ours": 1.0,
    "words": "the best score is 0.0 points too high"
   },
   {
    "place": "2",
    "usual": 0.957,
    "ours": 1.0,
    "words": "the best score is 0.7 points too high"
   },
   {
    "place": "5",
    "usual": 0.8825,
    "ours": 1.0,
    "words": "the best score is 1.5 points too high"
   },
   {
    "place": "10",
    "usual": 0.775,
    "ours": 1.0,
    "words": "the best score is 1.9 points too high"
   },
   {
    "place": "20",
    "usual": 0.615,
    "ours": 1.0,
    "words": "the best score is 2.3 points too high"
   },
   {
    "place": "40",
    "usual": 0.367,
    "ours": 1.0,
    "words": "the best score is 2.7 points too high"
   }
  ]
 },
 "batch": {
  "title": "At least 90 % of a batch",
  "knob": "rows of the batch",
  "usual": "split conformal",
  "ours": "Simultaneous",
  "promised": 0.9,
  "points": [
   {
    "place": "10",
    "usual": 0.7371153247012829,
    "ours": 0.9107435207839127,
    "words": "threshold: score number 191 of 200, not 181"
   },
   {
    "place": "20",
    "usual": 0.6784886314787519,
    "ours": 0.9167749967982725,
    "words": "threshold: score number 191 of 200, not 181"
   },
   {
    "place": "50",
    "usual": 0.6189151480483124,
    "ours": 0.901928255105367,
    "words": "threshold: score number 189 of 200, not 181"
   },
   {
    "place": "100",
    "usual": 0.5875615565392873,
    "ours": 0.9020427773469171,
    "words": "threshold: score number 188 of 200, not 181"
   },
   {
    "place": "200",
    "usual": 0.5660715656700575,
    "ours": 0.9274788089046346,
    "words": "threshold: score number 188 of 200, not 181"
   },
   {
    "place": "400",
    "usual": 0.552293814801836,
    "ours": 0.9156289989607977,
    "words": "threshold: score number 187 of 200, not 181"
   }
  ]
 },
 "shock": {
  "title": "The total of next week",
  "knob": "what days of a week share",
  "usual": "textbook, days as units",
  "ours": "whole weeks",
  "promised": 0.9,
  "points": [
   {
    "place": "0",
    "usual": 0.8925,
    "ours": 0.89,
    "words": "both from the same 420 days"
   },
   {
    "place": "0.2",
    "usual": 0.85,
    "ours": 0.9025,
    "words": "both from the same 420 days"
   },
   {
    "place": "0.4",
    "usual": 0.7925,
    "ours": 0.925,
    "words": "both from the same 420 days"
   },
   {
    "place": "0.6",
    "usual": 0.67,
    "ours": 0.9025,
    "words": "both from the same 420 days"
   },
   {
    "place": "1",
    "usual": 0.605,
    "ours": 0.915,
    "words": "both from the same 420 days"
   },
   {
    "place": "1.5",
    "usual": 0.52,
    "ours": 0.92,
    "words": "both from the same 420 days"
   }
  ]
 },
 "curve": {
  "title": "Is there any dependence?",
  "knob": "from a line to a V",
  "usual": "correlation",
  "ours": "independence_test",
  "promised": null,
  "points": [
   {
    "place": "0%",
    "usual": 1.0,
    "ours": 1.0,
    "words": "100 rows, tests at 5 %"
   },
   {
    "place": "25%",
    "usual": 1.0,
    "ours": 1.0,
    "words": "100 rows, tests at 5 %"
   },
   {
    "place": "50%",
    "usual": 0.95,
    "ours": 0.95,
    "words": "100 rows, tests at 5 %"
   },
   {
    "place": "75%",
    "usual": 0.575,
    "ours": 1.0,
    "words": "100 rows, tests at 5 %"
   },
   {
    "place": "100%",
    "usual": 0.1,
    "ours": 1.0,
    "words": "100 rows, tests at 5 %"
   }
  ]
 }
};
