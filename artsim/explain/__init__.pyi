from .averages import AverageExplainer as AverageExplainer
from .contributions import Explainer as Explainer
from .explanation import Explanation as Explanation
from .explanation import seen_box as seen_box
from .regions import Regions as Regions
from .regions import explain_answer as explain_answer
